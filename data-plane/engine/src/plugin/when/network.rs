//! `cidr(address, networks...)`: whether an address is in one of some networks, which are read once.

use std::{any::Any, net::IpAddr, sync::Arc};

use cel::{
    Env, ExecutionError,
    common::{
        ast::{CallExpr, Expr, LiteralValue},
        types::{CelBool, CelString, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};

use super::pattern::Constants;
use crate::network::{Networks, network};

/// As it is written.
pub(super) const CIDR: &str = "cidr";
/// The function that takes networks that have been read.
const IN_NETWORKS: &str = "@cidr";
const NETWORKS_NAME: &str = "@networks";
static NETWORKS: Type = Type::new_unspecified_type(NETWORKS_NAME);

/// Networks, as a value of an expression.
#[derive(Clone, Debug)]
pub(super) struct NetworkSet(Arc<Networks>);

/// Declares the function.
pub(super) fn declare(env: &mut Env) {
    env.add_overload(
        IN_NETWORKS,
        "@cidr_string",
        vec![STRING_TYPE, Type::new_unspecified_type(NETWORKS_NAME)],
        contains,
    )
    .expect("nothing else has this name");
}

/// Name of the variable of the n-th set.
pub(super) fn variable(index: usize) -> String {
    format!("@networks{index}")
}

/// Takes the networks out of a call.
///
/// # Errors
/// A network that is not one, or is not written out.
pub(super) fn take(call: &mut CallExpr, constants: &mut Constants) -> Result<(), String> {
    IN_NETWORKS.clone_into(&mut call.func_name);
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
    }
    let [_, written @ ..] = &call.args[..] else {
        return Err("`cidr` takes an address and networks".to_owned());
    };
    let mut networks = Vec::new();
    for argument in written {
        let Expr::Literal(LiteralValue::String(text)) = &argument.expr else {
            return Err("the networks of `cidr` must be written out as texts".to_owned());
        };
        let text = text.inner();
        let read = network(text).ok_or_else(|| format!("`{text}` is not a network"))?;
        networks.push(read);
    }
    let Some(first) = call.args.get_mut(1) else {
        return Err("`cidr` takes an address and networks".to_owned());
    };
    first.expr = Expr::Ident(variable(constants.networks.len()));
    call.args.truncate(2);
    let set = NetworkSet(Arc::new(Networks::of(&networks)));
    constants.networks.push(set);
    Ok(())
}

#[allow(clippy::needless_pass_by_value)] // The interpreter says so.
fn contains<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = args
        .first()
        .and_then(|it| it.downcast_ref::<CelString<'_>>());
    let networks = args.get(1).and_then(|it| it.downcast_ref::<NetworkSet>());
    let (Some(text), Some(networks)) = (text, networks) else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    let address: IpAddr = text
        .inner()
        .parse()
        .map_err(|_| ExecutionError::function_error(CIDR, "not an address"))?;
    let found = networks.0.contains(address.to_canonical());
    Ok(CowVal::owned(CelBool::from(found)))
}

impl Val for NetworkSet {
    fn get_type(&self) -> &Type {
        &NETWORKS
    }

    fn cel_type() -> &'static Type {
        &NETWORKS
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for NetworkSet {}

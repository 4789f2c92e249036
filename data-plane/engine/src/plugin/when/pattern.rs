//! Regular expressions of conditions, compiled once, and other constants of them.
//!
//! The interpreter compiles the pattern of `matches` each time it comes by one. So a call is rewritten
//! here to one that takes its pattern, compiled, from a variable. Neither name can be written in an
//! expression.

use std::{any::Any, sync::Arc};

use cel::{
    Context, Env, ExecutionError,
    common::{
        ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue},
        types::{CelBool, CelString, STRING_TYPE, Type},
        value::{CowVal, StaticVal, Val},
    },
};
use regex::Regex;

use super::network::{self, NetworkSet};

/// The function that takes a compiled pattern.
const MATCHES: &str = "@matches";
const PATTERN_NAME: &str = "@pattern";
static PATTERN: Type = Type::new_unspecified_type(PATTERN_NAME);

/// A compiled pattern, as a value of an expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Arc<Regex>);

/// Declares the function.
pub(super) fn declare(env: &mut Env) {
    env.add_overload(
        MATCHES,
        "@matches_string",
        vec![STRING_TYPE, Type::new_unspecified_type(PATTERN_NAME)],
        matches,
    )
    .expect("nothing else has this name");
}

/// Name of the variable of the n-th pattern.
fn variable(index: usize) -> String {
    format!("@pattern{index}")
}

/// What is read once: it comes to expressions in variables.
#[derive(Debug, Default)]
pub(super) struct Constants {
    patterns: Vec<Pattern>,
    pub(super) networks: Vec<NetworkSet>,
}

impl Constants {
    /// Sets the variables.
    pub(super) fn add_to(&self, context: &mut Context<'_, '_>) {
        for (index, pattern) in self.patterns.iter().enumerate() {
            context.add_variable_as_val(variable(index), Box::new(pattern.clone()));
        }
        for (index, networks) in self.networks.iter().enumerate() {
            context.add_variable_as_val(network::variable(index), Box::new(networks.clone()));
        }
    }
}

/// Takes the patterns and networks out of an expression.
///
/// # Errors
/// One that is malformed, or is not written out.
pub(super) fn extract(expression: &mut IdedExpr, constants: &mut Constants) -> Result<(), String> {
    if let Expr::Call(call) = &mut expression.expr {
        match call.func_name.as_str() {
            "matches" => take(call, constants)?,
            network::CIDR => network::take(call, constants)?,
            _ => {}
        }
    }
    let mut result = Ok(());
    visit(&mut expression.expr, &mut |below| {
        if result.is_ok() {
            result = extract(below, constants);
        }
    });
    result
}

fn take(call: &mut CallExpr, constants: &mut Constants) -> Result<(), String> {
    MATCHES.clone_into(&mut call.func_name);
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
    }
    let [_, pattern] = &mut call.args[..] else {
        return Err("`matches` takes one pattern".to_owned());
    };
    let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
        return Err("the pattern of `matches` must be written out as a text".to_owned());
    };
    let regex = Regex::new(text.inner()).map_err(|error| error.to_string())?;
    pattern.expr = Expr::Ident(variable(constants.patterns.len()));
    constants.patterns.push(Pattern(Arc::new(regex)));
    Ok(())
}

/// How many loops are within one another.
pub(super) fn loops(expression: &mut IdedExpr) -> usize {
    let own = usize::from(matches!(&expression.expr, Expr::Comprehension(_)));
    let mut below = 0;
    visit(&mut expression.expr, &mut |it| below = below.max(loops(it)));
    own + below
}

/// Whether a variable of this name occurs.
pub(super) fn mentions(expression: &mut IdedExpr, name: &str) -> bool {
    if matches!(&expression.expr, Expr::Ident(it) if it == name) {
        return true;
    }
    let mut found = false;
    visit(&mut expression.expr, &mut |below| {
        found = found || mentions(below, name);
    });
    found
}

/// Calls `then` with each expression right below.
fn visit(expression: &mut Expr, then: &mut dyn FnMut(&mut IdedExpr)) {
    match expression {
        Expr::Call(call) => {
            call.target.as_deref_mut().into_iter().for_each(&mut *then);
            call.args.iter_mut().for_each(then);
        }
        Expr::Comprehension(loops) => {
            then(&mut loops.iter_range);
            then(&mut loops.accu_init);
            then(&mut loops.loop_cond);
            then(&mut loops.loop_step);
            then(&mut loops.result);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(then),
        Expr::Select(select) => then(&mut select.operand),
        Expr::Map(map) => map
            .entries
            .iter_mut()
            .for_each(|it| visit_entry(&mut it.expr, then)),
        Expr::Struct(it) => it
            .entries
            .iter_mut()
            .for_each(|it| visit_entry(&mut it.expr, then)),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn visit_entry(entry: &mut EntryExpr, then: &mut dyn FnMut(&mut IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => then(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            then(&mut entry.key);
            then(&mut entry.value);
        }
    }
}

#[allow(clippy::needless_pass_by_value)] // The interpreter says so.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = args
        .first()
        .and_then(|it| it.downcast_ref::<CelString<'_>>());
    let pattern = args.get(1).and_then(|it| it.downcast_ref::<Pattern>());
    let (Some(text), Some(pattern)) = (text, pattern) else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    Ok(CowVal::owned(CelBool::from(
        pattern.0.is_match(text.inner()),
    )))
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN
    }

    fn cel_type() -> &'static Type {
        &PATTERN
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

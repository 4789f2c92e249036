//! Conditions that are evaluated with one look at a request.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, ExecutionError, Value, common::ast::IdedExpr};

use super::{
    network,
    pattern::{self, Constants},
    sight::{PARTS, Sight, Who},
};
use crate::RequestContext;

/// Longest expression.
const MAX_BYTES: usize = 4096;
/// How deep loops (`all`, `exists`, `map`, `filter`) may be in one another. What they go over is bounded as well,
/// so that no request makes an expression long.
const MAX_LOOPS: usize = 2;

/// The standard functions. Making them takes long, so it is done once.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    pattern::declare(&mut env);
    network::declare(&mut env);
    Arc::new(env)
});

/// Conditions, by number.
#[derive(Default)]
pub(in crate::plugin) struct Conditions {
    expressions: Vec<IdedExpr>,
    constants: Constants,
    /// Those of [`PARTS`] that occur; only they are made.
    reads: Vec<&'static str>,
}

/// What conditions see of one request.
pub(in crate::plugin) struct Look<'v> {
    expressions: &'v [IdedExpr],
    context: Context<'v, 'v>,
}

impl Conditions {
    /// Compiles one more.
    ///
    /// # Errors
    /// Syntax, names that do not exist, and results that are not true or false.
    pub(in crate::plugin) fn add(&mut self, source: &str) -> Result<(), String> {
        self.parse(source)?;
        self.try_out(&Sight::sample(None), Some(Who::default()))
    }

    pub(super) fn parse(&mut self, source: &str) -> Result<(), String> {
        if source.len() > MAX_BYTES {
            return Err(format!("is longer than {MAX_BYTES} bytes"));
        }
        let parsed = ENV.parser().parse(source);
        let mut expression = parsed.map_err(|error| error.to_string())?;
        pattern::extract(&mut expression, &mut self.constants)?;
        if pattern::loops(&mut expression) > MAX_LOOPS {
            return Err(format!(
                "has more than {MAX_LOOPS} loops within one another"
            ));
        }
        for part in PARTS {
            if source.contains(part) && !self.reads.contains(&part) {
                self.reads.push(part);
            }
        }
        self.expressions.push(expression);
        Ok(())
    }

    /// Evaluates the last one for a made-up request, to find what can never work.
    pub(super) fn try_out(&self, sight: &Sight<'_>, who: Option<Who<'_>>) -> Result<(), String> {
        let (Some(context), Some(last)) = (
            self.context(sight, who),
            self.expressions.len().checked_sub(1),
        ) else {
            return Ok(());
        };
        check(Value::resolve(&self.expressions[last], &context))
    }

    /// Looks at a request; none where it has more than an expression may go over.
    pub(in crate::plugin) fn look<'v>(&'v self, request: &'v RequestContext) -> Option<Look<'v>> {
        Some(Look {
            expressions: &self.expressions,
            context: self.context(&Sight::of(request), Some(Who::of(request)))?,
        })
    }

    /// Whether an expression mentions a variable.
    pub(super) fn mentions(&mut self, name: &str) -> bool {
        let mut expressions = self.expressions.iter_mut();
        expressions.any(|it| pattern::mentions(it, name))
    }

    /// The first one.
    pub(super) fn resolve(&self, sight: &Sight<'_>) -> Option<Result<Value, ExecutionError>> {
        let context = self.context(sight, None)?;
        Some(Value::resolve(self.expressions.first()?, &context))
    }

    fn context<'v>(&'v self, sight: &Sight<'v>, who: Option<Who<'v>>) -> Option<Context<'v, 'v>> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_as_val("request", Box::new(sight.map(&self.reads)?));
        if let Some(who) = who {
            who.add_to(&mut context, &self.reads)?;
        }
        self.constants.add_to(&mut context);
        Some(context)
    }
}

impl Look<'_> {
    /// Whether the n-th one is true of it; none where it cannot be evaluated.
    pub(in crate::plugin) fn holds(&self, index: usize) -> Option<bool> {
        let expression = self.expressions.get(index)?;
        match Value::resolve(expression, &self.context) {
            Ok(Value::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }
}

/// What came of a made-up request.
fn check(result: Result<Value, ExecutionError>) -> Result<(), String> {
    match result {
        Ok(Value::Bool(_)) => Ok(()),
        Ok(other) => Err(format!(
            "must be true or false, but is of type {}",
            other.type_of()
        )),
        Err(
            error @ (ExecutionError::UndeclaredReference(_) | ExecutionError::FunctionError { .. }),
        ) => Err(error.to_string()),
        // A header or consumer that the made-up request lacks.
        Err(_) => Ok(()),
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} conditions", self.expressions.len())
    }
}

//! `when`: a CEL expression over the request and who sent it, compiled once.

use std::fmt;

pub(super) use self::conditions::Conditions;
use crate::RequestContext;

mod conditions;
mod json;
mod network;
mod pattern;
mod route;
mod sight;
#[cfg(test)]
mod tests;

/// A condition.
pub(crate) struct When {
    source: Box<str>,
    conditions: Conditions,
}

impl When {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Syntax, names that do not exist, and results that are not true or false.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        let mut conditions = Conditions::default();
        conditions.add(source)?;
        Ok(Self {
            source: source.into(),
            conditions,
        })
    }

    /// The expression.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is true of the request; none where it cannot be evaluated.
    pub(super) fn holds(&self, request: &RequestContext) -> Option<bool> {
        self.conditions.look(request)?.holds(0)
    }
}

impl fmt::Debug for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, out)
    }
}

//! One thing wrong with what a client sent, and where.

use gatewright_engine::CompileError;
use serde::Serialize;

/// One thing wrong with what a client sent, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The resource, as `route/orders`; as `routes[3]` where it has no name; empty where it is none.
    pub resource: String,
    /// Path within the resource, as `settings.limits[0].requests`; empty for all of it.
    pub field: String,
    /// Stable, snake_case.
    pub code: &'static str,
    /// For people: what is wrong, and the way out if known.
    pub reason: String,
}

impl Mistake {
    /// A value that is not allowed.
    #[allow(clippy::needless_pass_by_value)] // Reads better at its many callers.
    pub fn invalid(
        resource: impl std::fmt::Display,
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            resource: resource.to_string(),
            field: field.into(),
            code: "invalid_value",
            reason: reason.into(),
        }
    }

    /// The same with another code.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }
}

impl From<CompileError> for Mistake {
    fn from(error: CompileError) -> Self {
        Self {
            resource: error.key.to_string(),
            field: error.field,
            code: error.code,
            reason: error.reason,
        }
    }
}

//! What is wrong with a resource.

use gatewright_proto::Key;

/// One mistake in one resource. Compilation collects all of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {field}: {reason}")]
pub struct CompileError {
    /// The resource.
    pub key: Key,
    /// Path within it, as `settings.limits[0].requests`.
    pub field: String,
    /// Stable, snake_case: `invalid_value`, `dangling_reference`, `unknown_plugin`, ...
    pub code: &'static str,
    /// For people: what is wrong, with the value in backticks, and the way out if known.
    pub reason: String,
}

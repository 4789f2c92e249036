//! Would this configuration compile? Asked of the engine, before a commit.

use gatewright_engine::{CompileError, ResourceSet, plugin::Registry};

/// All mistakes of the would-be configuration.
pub fn check(set: &ResourceSet, registry: &Registry) -> Vec<CompileError> {
    gatewright_engine::compile(0, set, registry, None).errors
}

//! Resources to snapshot: the only conversion in the system.

use crate::{CompileError, ResourceSet, Snapshot, plugin::Registry};

/// What came of a compilation. Always a snapshot: what has errors, and what needs it, is closed in it.
#[derive(Debug)]
pub struct Compiled {
    /// The configuration.
    pub snapshot: Snapshot,
    /// Every mistake found, in order of key.
    pub errors: Vec<CompileError>,
}

/// Compiles a set. `previous` lends what has not changed: plugin instances, parsed certificates.
pub fn compile(
    _revision: u64,
    _set: &ResourceSet,
    _registry: &Registry,
    _previous: Option<&Snapshot>,
) -> Compiled {
    unimplemented!()
}

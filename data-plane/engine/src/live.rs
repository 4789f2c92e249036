//! What a node holds and serves: applies deltas, refuses bad resources one by one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use gatewright_proto::{Key, Resource, Version};

use crate::{CompileError, ResourceSet, Snapshot, plugin::Registry};

/// A complete delta, decoded.
#[derive(Debug, Default)]
pub struct Change {
    /// The revision it leads to.
    pub revision: u64,
    /// Whether everything not in it is dropped.
    pub snapshot: bool,
    /// What is new or changed. A resource is none where its bytes or kind were not understood.
    pub upserts: Vec<(Key, Version, Option<Resource>)>,
    /// What is gone.
    pub removals: Vec<Key>,
}

/// One refused resource and why.
#[derive(Clone, Debug)]
pub struct Reject {
    /// The resource.
    pub key: Key,
    /// The version that was refused.
    pub version: Version,
    /// Why.
    pub errors: Vec<CompileError>,
}

/// What a node holds and serves. Owned by the one task that reads the stream.
#[derive(Debug)]
pub struct Live {
    /// What it holds.
    pub set: ResourceSet,
    /// The revision of `set`.
    pub revision: u64,
    /// What it serves.
    pub current: Arc<ArcSwap<Snapshot>>,
    /// What it understands.
    pub registry: Registry,
}

impl Live {
    /// Moves to the change's revision. Refused resources keep their last good version; without one,
    /// what needs them is closed.
    pub fn apply(&mut self, _change: Change) -> Vec<Reject> {
        unimplemented!()
    }
}

//! The resources that a plane holds: the input of compilation.

use std::{collections::BTreeMap, sync::Arc};

use gatewright_proto::{Digest, Key, Resource, Version};

use crate::CompileError;

/// A resource with its content version.
#[derive(Clone, Debug)]
pub struct Held {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Its content hash.
    pub version: Version,
}

impl Held {
    /// Takes a resource and its version.
    pub fn new(resource: Resource) -> Self {
        let version = Version::of(&resource);
        Self {
            resource: Arc::new(resource),
            version,
        }
    }
}

/// A resource that a node refused and holds no earlier version of. What needs it fails closed.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What it said, where it could be decoded.
    pub resource: Option<Arc<Resource>>,
    /// The version that was refused.
    pub version: Version,
    /// Why.
    pub errors: Vec<CompileError>,
}

/// All resources held, by kind and name. Cloning copies pointers.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet {
    /// What is in force.
    pub held: BTreeMap<Key, Held>,
    /// What was refused and has no earlier version. Empty on the control plane.
    pub refused: BTreeMap<Key, Refused>,
}

impl ResourceSet {
    /// The set's digest: of what is held, never of what was refused.
    pub fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (key, held) in &self.held {
            digest.toggle(key, &held.version);
        }
        digest
    }
}

impl FromIterator<Resource> for ResourceSet {
    fn from_iter<T: IntoIterator<Item = Resource>>(resources: T) -> Self {
        let held = |resource| (Key::of(&resource), Held::new(resource));
        Self {
            held: resources.into_iter().map(held).collect(),
            refused: BTreeMap::new(),
        }
    }
}

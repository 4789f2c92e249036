//! What a client wants done to one resource, and under which condition.

use gatewright_proto::{Key, Resource, Version, v1::FetchedKeys};
use serde_json::Value;

/// What a client wants done to one resource.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Creates it; it must not exist.
    Create(Resource),
    /// Creates it, or replaces it.
    Put(Resource, Precondition),
    /// Changes it by a JSON merge patch (RFC 7396); it must exist.
    Patch(Key, Value, Precondition),
    /// Deletes it; it must exist.
    Delete(Key, Precondition),
    /// Deletes it where it exists.
    Remove(Key),
    /// Gives a key set the keys that were fetched for it; it must exist.
    Fetched(Key, FetchedKeys),
}

impl Operation {
    /// Which resource.
    pub fn key(&self) -> Key {
        match self {
            Self::Create(resource) | Self::Put(resource, _) => Key::of(resource),
            Self::Patch(key, ..) | Self::Delete(key, _) | Self::Remove(key) => key.clone(),
            Self::Fetched(key, _) => key.clone(),
        }
    }
}

/// What must be true of the stored resource (RFC 9110 section 13.1). The default is always true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`: it is one of these.
    pub matches: Option<Tags>,
    /// `If-None-Match`: it is none of these.
    pub differs: Option<Tags>,
}

impl Precondition {
    /// Whether it is true of a resource at this version, or of one that does not exist.
    pub fn holds(&self, present: Option<&Version>) -> bool {
        let matches = |tags: &Tags| tags.include(present);
        self.matches.as_ref().is_none_or(matches) && !self.differs.as_ref().is_some_and(matches)
    }
}

/// The entity tags of a precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any version.
    Any,
    /// These versions.
    Listed(Vec<Version>),
}

impl Tags {
    /// Whether they include this version; nothing is included where there is none.
    pub fn include(&self, present: Option<&Version>) -> bool {
        match (self, present) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Listed(versions), Some(present)) => versions.contains(present),
        }
    }
}

//! The configuration at one revision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use gatewright_engine::{Held, ResourceSet};
use gatewright_proto::{Digest, Key, Kind, Version};

use crate::store::{Change, Head, Stored};

/// Everything at one revision. Immutable; shared.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Which revision of which history.
    pub head: Head,
    /// The resources.
    pub entries: BTreeMap<Key, Entry>,
    /// Their digest.
    pub digest: Digest,
    /// That of each kind by itself, for nodes that do not understand all of them.
    by_kind: BTreeMap<Kind, Digest>,
}

/// A resource with what the store knows of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The resource and its version.
    pub held: Held,
    /// Its encoding, made once for all nodes.
    pub encoded: Bytes,
    /// The revision that last changed it.
    pub revision: u64,
    /// The revision that created it.
    pub created_revision: u64,
    /// When it was last changed, in Unix milliseconds.
    pub updated_at_ms: i64,
}

impl State {
    /// The engine's view of it.
    pub fn set(&self) -> ResourceSet {
        let held = |(key, entry): (&Key, &Entry)| (key.clone(), entry.held.clone());
        ResourceSet {
            held: self.entries.iter().map(held).collect(),
            refused: BTreeMap::new(),
        }
    }

    /// The version of a resource; none where there is none.
    pub fn version(&self, key: &Key) -> Option<Version> {
        self.entries.get(key).map(|entry| entry.held.version)
    }

    /// Whether there is any resource of a kind.
    pub fn has_any(&self, kind: Kind) -> bool {
        let mut from = self.entries.range(Key::new(kind, "")..);
        from.next().is_some_and(|(key, _)| key.kind == kind)
    }

    /// The digest of the resources of these kinds.
    pub fn digest_of(&self, kinds: &BTreeSet<Kind>) -> Digest {
        let mut digest = Digest::default();
        for (kind, part) in &self.by_kind {
            if kinds.contains(kind) {
                digest.join(part);
            }
        }
        digest
    }

    pub(super) fn of(head: Head, stored: Vec<Stored>) -> Self {
        let mut state = Self {
            head,
            ..Self::default()
        };
        for stored in stored {
            let key = Key::of(&stored.resource);
            state.toggle(&key, &stored.version);
            let entry = Entry {
                encoded: stored.resource.to_bytes(),
                held: Held {
                    resource: stored.resource,
                    version: stored.version,
                },
                revision: stored.revision,
                created_revision: stored.created_revision,
                updated_at_ms: stored.updated_at_ms,
            };
            state.entries.insert(key, entry);
        }
        state
    }

    pub(super) fn apply(&mut self, change: &Change) {
        let before = self.entries.remove(&change.key);
        if let Some(before) = &before {
            self.toggle(&change.key, &before.held.version);
        }
        if let Some((resource, version)) = &change.after {
            self.toggle(&change.key, version);
            let entry = Entry {
                encoded: resource.to_bytes(),
                held: Held {
                    resource: Arc::clone(resource),
                    version: *version,
                },
                revision: change.revision,
                created_revision: before.map_or(change.revision, |it| it.created_revision),
                updated_at_ms: change.at_ms,
            };
            self.entries.insert(change.key.clone(), entry);
        }
    }

    fn toggle(&mut self, key: &Key, version: &Version) {
        self.digest.toggle(key, version);
        let of_kind = self.by_kind.entry(key.kind).or_default();
        of_kind.toggle(key, version);
    }
}

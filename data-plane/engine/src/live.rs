//! What a node holds and serves: applies changes, refuses bad resources one by one.
//!
//! A change is atomic in time and partial in content. A resource that does not compile keeps the last
//! version that did. Where there is none it is remembered as refused, and what needs it answers 500.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use gatewright_proto::{Key, Resource, Version};

use crate::{
    CompileError, Compiled, Held, Refused, ResourceSet, Snapshot, compile, plugin::Registry,
};

#[cfg(test)]
mod tests;

/// Each round of compiling can uncover mistakes that earlier ones hid; after this many, all of the
/// change that is still at fault is refused.
const MAX_ROUNDS: usize = 8;

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

/// That a node holds something else than the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The resource.
    pub key: Key,
    /// What it holds instead; none where it holds nothing.
    pub held: Option<Version>,
    /// What it refused.
    pub refused: Version,
}

/// What a node holds and serves. Owned by the one task that reads the stream.
#[derive(Debug)]
pub struct Live {
    /// What it holds.
    pub set: ResourceSet,
    /// Refused versions of resources that it holds an earlier version of.
    pub outdated: BTreeMap<Key, Version>,
    /// The revision of `set`.
    pub revision: u64,
    /// What it serves.
    pub current: Arc<ArcSwap<Snapshot>>,
    /// What it understands.
    pub registry: Registry,
}

impl Live {
    /// Holds and serves nothing.
    pub fn new(registry: Registry) -> Self {
        Self {
            set: ResourceSet::default(),
            outdated: BTreeMap::new(),
            revision: 0,
            current: Arc::new(ArcSwap::from_pointee(Snapshot::empty())),
            registry,
        }
    }

    /// Moves to the change's revision. Refused resources keep their last good version; without one,
    /// what needs them is closed.
    pub fn apply(&mut self, change: Change) -> Vec<Reject> {
        let mut next = Candidate::of(self, change);
        let previous = self.current.load_full();
        let mut compiled = next.compile(&self.registry, &previous);
        for round in 1..=MAX_ROUNDS {
            if !next.refuse(&self.set, &compiled.errors, round == MAX_ROUNDS) {
                break;
            }
            compiled = next.compile(&self.registry, &previous);
        }
        self.set = next.set;
        self.outdated = next.outdated;
        self.revision = next.revision;
        self.current.store(Arc::new(compiled.snapshot));
        next.rejects
    }

    /// Serves the same with the secrets that the machine has now.
    pub fn refresh(&mut self) {
        let previous = self.current.load_full();
        let compiled = compile(self.revision, &self.set, &self.registry, Some(&previous));
        self.current.store(Arc::new(compiled.snapshot));
    }

    /// Takes up what was held before a restart, refusals included, and serves it.
    pub fn restore(&mut self, set: ResourceSet, outdated: BTreeMap<Key, Version>, revision: u64) {
        let compiled = compile(revision, &set, &self.registry, None);
        self.set = set;
        self.outdated = outdated;
        self.revision = revision;
        self.current.store(Arc::new(compiled.snapshot));
    }

    /// Where this node holds something else than the store has at its revision.
    pub fn deviations(&self) -> Vec<Deviation> {
        let refused = self.set.refused.iter().map(|(key, refused)| Deviation {
            key: key.clone(),
            held: None,
            refused: refused.version,
        });
        let outdated = self.outdated.iter().map(|(key, version)| Deviation {
            key: key.clone(),
            held: self.set.held.get(key).map(|held| held.version),
            refused: *version,
        });
        refused.chain(outdated).collect()
    }
}

/// The set that a change leads to, while it is being settled what of it is refused.
struct Candidate {
    set: ResourceSet,
    outdated: BTreeMap<Key, Version>,
    revision: u64,
    /// What the change brought and has not been refused.
    new: BTreeMap<Key, Version>,
    rejects: Vec<Reject>,
}

impl Candidate {
    fn of(live: &Live, change: Change) -> Self {
        let mut next = Self {
            set: live.set.clone(),
            outdated: live.outdated.clone(),
            revision: change.revision,
            new: BTreeMap::new(),
            rejects: Vec::new(),
        };
        if change.snapshot {
            let kept: BTreeSet<&Key> = change.upserts.iter().map(|(key, ..)| key).collect();
            next.set.held.retain(|key, _| kept.contains(key));
            next.set.refused.retain(|key, _| kept.contains(key));
            next.outdated.retain(|key, _| kept.contains(key));
        }
        for key in change.removals {
            next.set.held.remove(&key);
            next.set.refused.remove(&key);
            next.outdated.remove(&key);
        }
        for (key, version, resource) in change.upserts {
            next.upsert(&live.set, key, version, resource);
        }
        next
    }

    fn upsert(
        &mut self,
        before: &ResourceSet,
        key: Key,
        version: Version,
        resource: Option<Resource>,
    ) {
        // The key is what the stream says; a body of another name would be filed under a wrong one.
        match resource.filter(|resource| Key::of(resource) == key) {
            Some(resource) => {
                let resource = Arc::new(resource);
                self.set.refused.remove(&key);
                self.outdated.remove(&key);
                self.new.insert(key.clone(), version);
                self.set.held.insert(key, Held { resource, version });
            }
            None => {
                let error = CompileError {
                    key: key.clone(),
                    field: String::new(),
                    code: "not_understood",
                    reason: "this node cannot read it".to_owned(),
                };
                let refused = Refused {
                    resource: None,
                    version,
                    errors: vec![error],
                };
                self.put_back(before, &key, refused);
            }
        }
    }

    fn compile(&self, registry: &Registry, previous: &Snapshot) -> Compiled {
        compile(self.revision, &self.set, registry, Some(previous))
    }

    /// Refuses what the change brought and is at fault. Whether there was any.
    fn refuse(&mut self, before: &ResourceSet, errors: &[CompileError], last: bool) -> bool {
        let mut faults: BTreeMap<&Key, Vec<CompileError>> = BTreeMap::new();
        for error in errors {
            if self.new.contains_key(&error.key) {
                faults.entry(&error.key).or_default().push(error.clone());
            }
        }
        let found = !faults.is_empty();
        for (key, errors) in faults {
            let Some(version) = self.new.remove(key) else {
                continue;
            };
            let resource = self
                .set
                .held
                .get(key)
                .map(|held| Arc::clone(&held.resource));
            // In the last round an earlier version is not trusted either, so that this ends.
            let before = if last {
                &ResourceSet::default()
            } else {
                before
            };
            let refused = Refused {
                resource,
                version,
                errors,
            };
            self.put_back(before, key, refused);
        }
        found
    }

    /// Goes back to the version that was held, or remembers the refusal.
    fn put_back(&mut self, before: &ResourceSet, key: &Key, refused: Refused) {
        self.rejects.push(Reject {
            key: key.clone(),
            version: refused.version,
            errors: refused.errors.clone(),
        });
        if let Some(held) = before.held.get(key) {
            self.set.held.insert(key.clone(), held.clone());
            self.set.refused.remove(key);
            self.outdated.insert(key.clone(), refused.version);
        } else {
            self.set.held.remove(key);
            self.outdated.remove(key);
            self.set.refused.insert(key.clone(), refused);
        }
    }
}

//! What a node holds of which history, and what it refused.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use gatewright_engine::{
    live::{Change, Live, Reject},
    plugin::Registry,
};
use gatewright_proto::{
    Digest, Key, Kind, Version,
    v1::{Ack, Delta, Deviation, HeldVersion, Mistake, Outcome, Resume},
};

use crate::{
    config_cache::{ConfigCache, Kept},
    published::Publisher,
};

/// What a node holds, for the stream's task and the blocking threads that it sends to work. Never
/// contended: the task waits for them.
#[derive(Clone, Debug)]
pub(crate) struct SharedHolding(Arc<Mutex<Holding>>);

impl SharedHolding {
    /// Holds nothing.
    pub(crate) fn new(registry: Registry) -> Self {
        Self(Arc::new(Mutex::new(Holding::new(registry))))
    }

    /// Compiles what is held again: what this machine has has changed.
    pub(crate) fn refresh(&self) {
        self.lock().live.refresh();
    }

    /// Serves what is held.
    pub(crate) fn publish(&self, publisher: &Publisher) {
        publisher.hold(self.lock().live());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Holding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A version that was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// Which.
    pub(crate) version: Version,
    /// What it said, for trying again.
    pub(crate) body: Bytes,
    /// Why it was.
    pub(crate) mistakes: Vec<Mistake>,
}

/// What a node holds.
#[derive(Debug)]
pub(crate) struct Holding {
    live: Live,
    epoch: String,
    digest: Digest,
    refusals: BTreeMap<Key, Refusal>,
    /// Whether the control plane is asked to go by what is held, resource by resource.
    distrusted: bool,
}

/// Why a delta was not applied.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotApplied {
    /// It does not add up with what is held: the control plane has to ask.
    DoesNotFit,
    /// It is broken.
    Broken(String),
}

impl Holding {
    fn new(registry: Registry) -> Self {
        Self {
            live: Live::new(registry),
            epoch: String::new(),
            digest: Digest::default(),
            refusals: BTreeMap::new(),
            distrusted: false,
        }
    }

    /// What is held, and served.
    pub(super) const fn live(&self) -> &Live {
        &self.live
    }

    /// The revision of what is held.
    pub(super) const fn revision(&self) -> u64 {
        self.live.revision
    }

    /// The digest of what is held.
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many resources are refused.
    pub(super) fn refusals(&self) -> usize {
        self.refusals.len()
    }

    /// Takes up what was held before a restart. What an earlier version of the software refused is tried
    /// again.
    pub(super) fn restore(&mut self, kept: Kept) {
        let outdated = kept.outdated();
        self.live.restore(kept.set, outdated, kept.revision);
        self.epoch = kept.epoch;
        self.refusals = kept.refusals;
        if kept.software != env!("CARGO_PKG_VERSION") && !self.refusals.is_empty() {
            let retries = self.retries(&BTreeSet::new());
            let rejects = self.live.apply(Change {
                revision: kept.revision,
                upserts: retries,
                ..Change::default()
            });
            self.settle(&rejects, &BTreeMap::new());
        }
        self.digest = self.live.set.digest();
    }

    /// What it says when it connects.
    pub(super) fn resume(&self) -> Option<Resume> {
        if self.epoch.is_empty() {
            return None;
        }
        let digest = match self.distrusted {
            true => Vec::new(),
            false => self.digest.as_bytes().to_vec(),
        };
        Some(Resume {
            epoch: self.epoch.clone(),
            revision: self.live.revision,
            digest,
            deviations: self.deviations(),
        })
    }

    /// All that it holds. What it refused does not count.
    pub(super) fn list(&self) -> Vec<HeldVersion> {
        let row = |(key, held): (&Key, &gatewright_engine::Held)| HeldVersion {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            version: held.version.as_bytes().to_vec(),
        };
        self.live.set.held.iter().map(row).collect()
    }

    /// The next delta need not fit, since what is held is going to be said or has been.
    pub(super) const fn distrust(&mut self) {
        self.distrusted = true;
    }

    /// Moves to the delta's revision.
    pub(super) fn apply(&mut self, delta: Delta) -> Result<Ack, NotApplied> {
        let began = Instant::now();
        let bodies = self.check(&delta)?;
        let (nonce, epoch, revision) = (delta.nonce, delta.epoch, delta.to_revision);
        let mut change = Change {
            revision,
            snapshot: delta.snapshot,
            upserts: bodies.iter().map(decode).collect(),
            removals: delta
                .removals
                .iter()
                .filter_map(|it| key(&it.kind, &it.name))
                .collect(),
        };
        if !change.snapshot {
            // A refusal can be the fault of something that this delta mends.
            let touched = bodies.keys().chain(&change.removals).cloned().collect();
            change.upserts.extend(self.retries(&touched));
        }
        let live = &mut self.live;
        let rejects = catch_unwind(AssertUnwindSafe(|| live.apply(change))).map_err(|_| {
            NotApplied::Broken("compiling it failed; see the node's log".to_owned())
        })?;
        self.epoch = epoch;
        self.settle(&rejects, &bodies);
        self.digest = self.live.set.digest();
        self.distrusted = false;
        let deviations = self.deviations();
        let outcome = match deviations.is_empty() {
            true => Outcome::Applied,
            false => Outcome::Partial,
        };
        Ok(Ack {
            nonce,
            revision,
            outcome: outcome.into(),
            deviations,
            compile_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            digest: self.digest.as_bytes().to_vec(),
            reason: String::new(),
        })
    }

    /// Writes it to the disk.
    pub(super) fn keep(&self, cache: &ConfigCache) -> std::io::Result<()> {
        cache.keep(&self.epoch, &self.live, &self.refusals)
    }

    /// Whether the delta is whole and leads from what is held to what it says. Returns what it brings.
    fn check(&self, delta: &Delta) -> Result<BTreeMap<Key, (Version, Bytes)>, NotApplied> {
        let broken = |what: String| Err(NotApplied::Broken(what));
        // 0 where the control plane goes by the list.
        let listed = self.distrusted && delta.from_revision == 0;
        let follows = delta.from_revision == self.live.revision && delta.epoch == self.epoch;
        if !delta.snapshot && !listed && !follows {
            return Err(NotApplied::DoesNotFit);
        }
        let mut upserts = BTreeMap::new();
        for update in &delta.upserts {
            let Some(key) = key(&update.kind, &update.name) else {
                return broken(format!(
                    "`{}` is not a kind that was announced",
                    update.kind
                ));
            };
            let Some(version) = Version::from_slice(&update.version) else {
                return broken(format!("`{key}`: a version is 16 bytes"));
            };
            // Copied, since it would keep all of the message in memory.
            let body = Bytes::copy_from_slice(&update.body);
            if upserts.insert(key.clone(), (version, body)).is_some() {
                return broken(format!("`{key}` comes twice"));
            }
        }
        if delta
            .removals
            .iter()
            .any(|it| key(&it.kind, &it.name).is_some_and(|key| upserts.contains_key(&key)))
        {
            return broken("a resource both comes and goes".to_owned());
        }
        if self.foretell(delta, &upserts).as_bytes().as_slice() != delta.digest {
            return Err(NotApplied::DoesNotFit);
        }
        Ok(upserts)
    }

    /// The digest after a delta of which all is accepted.
    fn foretell(&self, delta: &Delta, upserts: &BTreeMap<Key, (Version, Bytes)>) -> Digest {
        let mut digest = match delta.snapshot {
            true => Digest::default(),
            false => self.digest,
        };
        let drop_held = |digest: &mut Digest, key: &Key| {
            if let Some(held) = self.live.set.held.get(key).filter(|_| !delta.snapshot) {
                digest.toggle(key, &held.version);
            }
        };
        for (key, (version, _)) in upserts {
            drop_held(&mut digest, key);
            digest.toggle(key, version);
        }
        let removals = delta.removals.iter();
        let removals: BTreeSet<Key> = removals.filter_map(|it| key(&it.kind, &it.name)).collect();
        removals.iter().for_each(|key| drop_held(&mut digest, key));
        digest
    }

    /// What was refused before, to be tried once more, but for what is `touched`.
    fn retries(
        &self,
        touched: &BTreeSet<Key>,
    ) -> Vec<(Key, Version, Option<gatewright_proto::Resource>)> {
        let refused = self
            .refusals
            .iter()
            .filter(|(key, _)| !touched.contains(*key));
        refused
            .map(|(key, refusal)| decode((key, &(refusal.version, refusal.body.clone()))))
            .collect()
    }

    /// Remembers what is refused now, and forgets what is no longer.
    fn settle(&mut self, rejects: &[Reject], bodies: &BTreeMap<Key, (Version, Bytes)>) {
        for reject in rejects {
            let before = self.refusals.get(&reject.key).map(|it| it.body.clone());
            let brought = bodies.get(&reject.key).map(|(_, body)| body.clone());
            let refusal = Refusal {
                version: reject.version,
                body: brought.or(before).unwrap_or_default(),
                mistakes: mistakes(reject),
            };
            self.refusals.insert(reject.key.clone(), refusal);
        }
        let mut refusals = BTreeMap::new();
        for deviation in self.live.deviations() {
            let known = self.refusals.remove(&deviation.key);
            let known = known.filter(|it| it.version == deviation.refused);
            let refusal = known.unwrap_or_else(|| Refusal {
                version: deviation.refused,
                body: Bytes::new(),
                mistakes: Vec::new(),
            });
            refusals.insert(deviation.key, refusal);
        }
        self.refusals = refusals;
    }

    fn deviations(&self) -> Vec<Deviation> {
        let bytes = |version: Version| version.as_bytes().to_vec();
        let row = |(key, refusal): (&Key, &Refusal)| Deviation {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            held_version: self
                .live
                .set
                .held
                .get(key)
                .map_or_else(Vec::new, |held| bytes(held.version)),
            refused_version: bytes(refusal.version),
            mistakes: refusal.mistakes.clone(),
        };
        self.refusals.iter().map(row).collect()
    }
}

fn key(kind: &str, name: &str) -> Option<Key> {
    let kind: Kind = kind.parse().ok()?;
    Some(Key::new(kind, name))
}

fn decode(
    (key, (version, body)): (&Key, &(Version, Bytes)),
) -> (Key, Version, Option<gatewright_proto::Resource>) {
    (key.clone(), *version, key.kind.decode(body).ok())
}

fn mistakes(reject: &Reject) -> Vec<Mistake> {
    let mistake = |error: &gatewright_engine::CompileError| Mistake {
        code: error.code.to_owned(),
        field: error.field.clone(),
        reason: error.reason.clone(),
    };
    reject.errors.iter().map(mistake).collect()
}

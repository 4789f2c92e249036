//! What recent revisions changed, for nodes that come back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gatewright_proto::{Digest, Key, Version};

use super::State;
use crate::store::Change;

/// Most changes kept.
const MAX_CHANGES: usize = 100_000;

/// Changes after some revision, oldest first.
#[derive(Debug)]
pub struct Log {
    /// Every change after this revision is here.
    since: u64,
    changes: VecDeque<Logged>,
}

#[derive(Debug)]
struct Logged {
    revision: u64,
    key: Key,
    before: Option<Version>,
    after: Option<Version>,
}

impl Log {
    pub(super) fn from(revision: u64) -> Self {
        Self {
            since: revision,
            changes: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, change: &Change) {
        self.changes.push_back(Logged {
            revision: change.revision,
            key: change.key.clone(),
            before: change.before.as_ref().map(|(_, version)| *version),
            after: change.after.as_ref().map(|(_, version)| *version),
        });
        if self.changes.len() > MAX_CHANGES
            && let Some(oldest) = self.changes.pop_front()
        {
            self.since = oldest.revision;
        }
    }

    /// What has changed after a revision; none where the log does not reach back to it.
    pub fn keys_after(&self, revision: u64) -> Option<BTreeSet<Key>> {
        let newer = self
            .changes
            .iter()
            .rev()
            .take_while(|it| it.revision > revision);
        (revision >= self.since).then(|| newer.map(|it| it.key.clone()).collect())
    }

    /// The digest at an earlier revision, and the versions that these keys had then.
    pub fn look_back(
        &self,
        state: &State,
        revision: u64,
        keys: &BTreeSet<Key>,
    ) -> Option<(Digest, BTreeMap<Key, Option<Version>>)> {
        if revision < self.since || revision > state.head.revision {
            return None;
        }
        let version = |key: &Key| state.entries.get(key).map(|entry| entry.held.version);
        let mut versions: BTreeMap<Key, Option<Version>> =
            keys.iter().map(|key| (key.clone(), version(key))).collect();
        let mut digest = state.digest;
        for change in self
            .changes
            .iter()
            .rev()
            .take_while(|it| it.revision > revision)
        {
            for version in [&change.before, &change.after].into_iter().flatten() {
                digest.toggle(&change.key, version);
            }
            if let Some(version) = versions.get_mut(&change.key) {
                *version = change.before;
            }
        }
        Some((digest, versions))
    }
}

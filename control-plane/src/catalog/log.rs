//! What recent revisions changed, for nodes that come back.

use std::collections::{BTreeMap, VecDeque};

use gatewright_proto::{Key, Version};

use crate::store::{Change, Head};

/// Most changes kept: about 12 MB.
const MAX_CHANGES: usize = 100_000;

/// Changes after some revision, oldest first.
#[derive(Debug)]
pub(super) struct Log {
    epoch: String,
    /// Every change after this revision is here.
    since: u64,
    changes: VecDeque<Logged>,
}

#[derive(Debug)]
struct Logged {
    revision: u64,
    key: Key,
    before: Option<Version>,
}

impl From<&Change> for Logged {
    fn from(change: &Change) -> Self {
        Self {
            revision: change.revision,
            key: change.key.clone(),
            before: change.before.as_ref().map(|(_, version)| *version),
        }
    }
}

impl Log {
    /// Begins at a revision.
    pub(super) fn at(head: &Head) -> Self {
        Self {
            epoch: head.epoch.clone(),
            since: head.revision,
            changes: VecDeque::new(),
        }
    }

    /// Adds the next change.
    pub(super) fn push(&mut self, change: &Change) {
        self.changes.push_back(Logged::from(change));
        if self.changes.len() > MAX_CHANGES
            && let Some(oldest) = self.changes.pop_front()
        {
            // Of that revision some changes may be left, but no longer all.
            self.since = oldest.revision;
        }
    }

    /// Adds what came before: all changes after `since`, oldest first.
    pub(super) fn extend_back(&mut self, since: u64, changes: &[Change]) {
        let older: Vec<Logged> = changes
            .iter()
            .filter(|change| change.revision <= self.since)
            .map(Logged::from)
            .collect();
        if since < self.since && self.changes.len() + older.len() <= MAX_CHANGES {
            older
                .into_iter()
                .rev()
                .for_each(|it| self.changes.push_front(it));
            self.since = since;
        }
    }

    /// Whether it has every change after a revision of this history.
    pub(super) fn reaches(&self, from: &Head) -> bool {
        self.epoch == from.epoch && from.revision >= self.since
    }

    /// The resources that changed after `from`, up to `until`, with the versions that they had at `from`.
    /// None where the log does not reach back, or `until` is of another history or older.
    pub(super) fn between(
        &self,
        from: &Head,
        until: &Head,
    ) -> Option<BTreeMap<Key, Option<Version>>> {
        let ordered = from.epoch == until.epoch && from.revision <= until.revision;
        if !ordered || !self.reaches(from) {
            return None;
        }
        let first = self
            .changes
            .partition_point(|change| change.revision <= from.revision);
        let mut versions = BTreeMap::new();
        for change in self.changes.range(first..) {
            if change.revision > until.revision {
                break;
            }
            let first_seen = versions.entry(change.key.clone());
            first_seen.or_insert(change.before);
        }
        Some(versions)
    }
}

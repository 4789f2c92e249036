//! Cuts a plan into messages of bounded size, one at a time: a node that takes them slowly holds up one.

use std::ops::Bound;

use gatewright_proto::{
    Key,
    v1::{Delta, Removal, Update},
};

use super::{
    holding::Kinds,
    plan::{Plan, Upserts},
};

/// Largest part, in bytes. One resource is at most as large, so a message is at most twice this.
const MAX_PART_BYTES: usize = 1 << 20;
/// What a resource costs beside its body and name, at most.
const OVERHEAD_BYTES: usize = 64;

/// The parts of a delta, in order. There is always one.
pub(super) struct Parts<'p> {
    plan: &'p mut Plan,
    kinds: &'p Kinds,
    nonce: &'p str,
    number: u32,
    /// The last key sent of a snapshot.
    at: Option<Key>,
    /// Taken from the plan and not sent yet.
    next: Option<Key>,
    done: bool,
}

impl<'p> Parts<'p> {
    pub(super) fn of(plan: &'p mut Plan, kinds: &'p Kinds, nonce: &'p str) -> Self {
        let mut parts = Self {
            plan,
            kinds,
            nonce,
            number: 0,
            at: None,
            next: None,
            done: false,
        };
        parts.next = parts.next_key();
        parts
    }

    fn next_key(&mut self) -> Option<Key> {
        match &mut self.plan.upserts {
            Upserts::These(keys) => keys.next(),
            Upserts::All => {
                let from = self.at.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let rest = (from, Bound::Unbounded);
                let mut rest = self.plan.state.entries.range::<Key, _>(rest);
                let found = rest.find(|(key, _)| self.kinds.contains(&key.kind));
                self.at = found.map(|(key, _)| key.clone());
                self.at.clone()
            }
        }
    }

    fn update(&self, key: &Key) -> Option<Update> {
        let entry = self.plan.state.entries.get(key)?;
        Some(Update {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            version: entry.held.version.as_bytes().to_vec(),
            body: entry.encoded.clone(),
        })
    }

    fn upserts(&mut self, room: &mut usize) -> Vec<Update> {
        let mut upserts = Vec::new();
        while let Some(key) = &self.next {
            if let Some(update) = self.update(key) {
                let cost = update.body.len() + update.name.len() + OVERHEAD_BYTES;
                if cost > *room && !upserts.is_empty() {
                    break;
                }
                *room = room.saturating_sub(cost);
                upserts.push(update);
            }
            self.next = self.next_key();
        }
        upserts
    }

    fn removals(&mut self, mut room: usize) -> Vec<Removal> {
        let mut count = 0;
        for removal in &self.plan.removals {
            let cost = removal.name.len() + OVERHEAD_BYTES;
            if cost > room {
                break;
            }
            room -= cost;
            count += 1;
        }
        self.plan.removals.drain(..count).collect()
    }
}

impl Iterator for Parts<'_> {
    type Item = Delta;

    fn next(&mut self) -> Option<Delta> {
        if self.done {
            return None;
        }
        let mut room = MAX_PART_BYTES;
        let upserts = self.upserts(&mut room);
        let removals = if self.next.is_none() {
            self.removals(room)
        } else {
            Vec::new()
        };
        self.done = self.next.is_none() && self.plan.removals.is_empty();
        let part = Delta {
            nonce: self.nonce.to_owned(),
            epoch: self.plan.state.head.epoch.clone(),
            from_revision: self.plan.from,
            to_revision: self.plan.state.head.revision,
            part: self.number,
            last: self.done,
            snapshot: self.plan.is_snapshot(),
            upserts,
            removals,
            digest: match self.done {
                true => self.plan.digest.as_bytes().to_vec(),
                false => Vec::new(),
            },
        };
        self.number += 1;
        Some(part)
    }
}

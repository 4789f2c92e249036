//! What a node lacks.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_proto::{
    Digest, Key, Kind, Version,
    v1::{Delta, Removal, Resume, Update},
};

use crate::catalog::{Catalog, State};

/// Largest part of a delta, in bytes of bodies.
const MAX_PART_BYTES: usize = 1024 * 1024;
/// Most resources in a part.
const MAX_PART_RESOURCES: usize = 4096;

/// What a node holds, as far as the session must know.
#[derive(Clone, Debug)]
pub(super) enum Basis {
    /// Nothing that can be built on.
    Nothing,
    /// What the store had at a revision, but for what it refused.
    Revision(u64),
    /// Exactly these.
    Exactly(BTreeMap<Key, Version>),
}

/// Whether what a node says it holds can be built on: the digest is right.
pub(super) fn resume(catalog: &Catalog, state: &State, resume: &Resume) -> Option<Basis> {
    if resume.epoch != state.head.epoch {
        return None;
    }
    let mut deviations = BTreeMap::new();
    for deviation in &resume.deviations {
        let kind: Kind = deviation.kind.parse().ok()?;
        let held = Version::from_slice(&deviation.held_version);
        deviations.insert(Key::new(kind, deviation.name.as_str()), held);
    }
    let keys: BTreeSet<Key> = deviations.keys().cloned().collect();
    let looked = catalog.with_log(|log| log.look_back(state, resume.revision, &keys));
    let (mut digest, versions) = looked?;
    for (key, held) in &deviations {
        let stored = versions.get(key).copied().flatten();
        for version in [stored, *held].into_iter().flatten() {
            digest.toggle(key, &version);
        }
    }
    let claimed = Digest::from_slice(&resume.digest)?;
    (digest == claimed).then_some(Basis::Revision(resume.revision))
}

/// The way from a basis to a state. None where the log does not reach back: ask what it holds.
pub(super) fn delta(
    catalog: &Catalog,
    state: &State,
    basis: &Basis,
    understood: &[String],
) -> Option<(Vec<Update>, Vec<Removal>)> {
    let knows = |key: &Key| understood.iter().any(|kind| kind == key.kind.as_str());
    let update = |key: &Key| {
        let entry = state.entries.get(key)?;
        Some(Update {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            version: entry.held.version.as_bytes().to_vec(),
            body: entry.encoded.clone(),
        })
    };
    let removal = |key: &Key| Removal {
        kind: key.kind.to_string(),
        name: key.name.clone(),
    };
    let (changed, gone): (Vec<Key>, Vec<Key>) = match basis {
        Basis::Nothing => (state.entries.keys().cloned().collect(), Vec::new()),
        Basis::Revision(revision) => {
            let keys = catalog.with_log(|log| log.keys_after(*revision))?;
            keys.into_iter()
                .partition(|key| state.entries.contains_key(key))
        }
        Basis::Exactly(held) => {
            let differs = |(key, entry): &(&Key, &crate::catalog::Entry)| {
                held.get(*key) != Some(&entry.held.version)
            };
            let changed = state
                .entries
                .iter()
                .filter(differs)
                .map(|(key, _)| key.clone());
            let gone = held.keys().filter(|key| !state.entries.contains_key(*key));
            (changed.collect(), gone.cloned().collect())
        }
    };
    let updates = changed
        .iter()
        .filter(|key| knows(key))
        .filter_map(update)
        .collect();
    Some((
        updates,
        gone.iter().filter(|key| knows(key)).map(removal).collect(),
    ))
}

/// Cuts a delta into parts of bounded size. There is always one.
pub(super) fn parts(template: &Delta, upserts: Vec<Update>, removals: Vec<Removal>) -> Vec<Delta> {
    let mut parts = vec![Delta {
        removals,
        ..template.clone()
    }];
    let mut bytes = 0;
    for update in upserts {
        let full = parts.last().is_some_and(|part| {
            bytes + update.body.len() > MAX_PART_BYTES || part.upserts.len() >= MAX_PART_RESOURCES
        });
        if full {
            bytes = 0;
            parts.push(template.clone());
        }
        bytes += update.body.len();
        if let Some(part) = parts.last_mut() {
            part.upserts.push(update);
        }
    }
    let count = parts.len();
    for (number, part) in parts.iter_mut().enumerate() {
        part.part = u32::try_from(number).unwrap_or(u32::MAX);
        part.last = number + 1 == count;
    }
    parts
}

//! What a node holds, as far as a session must know.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_proto::{
    Digest, Key, Kind, Version,
    v1::{self, Held, Mistake, Removal},
};
use tonic::Status;

use crate::{catalog::State, store::Head};

/// Most resources that a node may list.
const MAX_LISTED: usize = 1_000_000;
/// Most resources in which a node may deviate.
const MAX_DEVIATIONS: usize = 20_000;

/// The kinds that a node understands.
pub(super) type Kinds = BTreeSet<Kind>;

/// Where a node holds something else than the store had.
pub(super) type Deviations = BTreeMap<Key, Deviation>;

/// What it holds instead.
#[derive(Clone, Debug)]
pub(super) struct Deviation {
    /// None where it holds none.
    pub(super) held: Option<Version>,
    /// What it refused; none where it has not tried.
    pub(super) refused: Option<Version>,
    pub(super) mistakes: Vec<Mistake>,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Holding {
    /// Nothing, or nothing that it wants to keep.
    Nothing,
    /// What the store had at a revision, but for deviations.
    At(Head, Deviations),
    /// Exactly what it has listed.
    Listed(Listed),
    /// To be asked.
    Unknown,
    /// To be asked when there is something new: it refused all of the delta to this revision.
    Stuck(Head),
}

/// What a node says it holds, resource by resource.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) versions: BTreeMap<Key, Version>,
    /// Of kinds that are not known here.
    pub(super) foreign: Vec<Removal>,
    /// What it has refused before.
    pub(super) deviations: Deviations,
}

impl Listed {
    /// Takes a part of the list.
    pub(super) fn take(&mut self, part: Held) -> Result<(), Status> {
        for resource in part.resources {
            match resource.kind.parse::<Kind>() {
                Ok(kind) => {
                    let version = Version::from_slice(&resource.version)
                        .ok_or_else(|| Status::invalid_argument("a version is 16 bytes"))?;
                    self.versions.insert(Key::new(kind, resource.name), version);
                }
                Err(_) => self.foreign.push(Removal {
                    kind: resource.kind,
                    name: resource.name,
                }),
            }
        }
        if self.versions.len() + self.foreign.len() > MAX_LISTED {
            return Err(Status::resource_exhausted("too many resources held"));
        }
        Ok(())
    }
}

/// Reads deviations.
pub(super) fn deviations(rows: Vec<v1::Deviation>) -> Result<Deviations, Status> {
    if rows.len() > MAX_DEVIATIONS {
        return Err(Status::resource_exhausted("too many deviations"));
    }
    let read = |row: v1::Deviation| {
        let kind: Kind = row
            .kind
            .parse()
            .map_err(|_| Status::invalid_argument("a deviation of an unknown kind"))?;
        let deviation = Deviation {
            held: Version::from_slice(&row.held_version),
            refused: Version::from_slice(&row.refused_version),
            mistakes: row.mistakes,
        };
        Ok((Key::new(kind, row.name), deviation))
    };
    rows.into_iter().map(read).collect()
}

/// The digest of a node that holds what the store had when `earlier` were the versions of what has changed
/// since (nothing, where it is at `state`), but for its deviations.
pub(super) fn digest(
    state: &State,
    kinds: &Kinds,
    earlier: &BTreeMap<Key, Option<Version>>,
    deviations: &Deviations,
) -> Digest {
    let mut digest = state.digest_of(kinds);
    let mut toggle = |key: &Key, version: Option<Version>| {
        if let Some(version) = version {
            digest.toggle(key, &version);
        }
    };
    for (key, then) in earlier {
        if kinds.contains(&key.kind) {
            toggle(key, state.version(key));
            toggle(key, *then);
        }
    }
    for (key, deviation) in deviations {
        if kinds.contains(&key.kind) {
            let stored = earlier.get(key).copied();
            toggle(key, stored.unwrap_or_else(|| state.version(key)));
        }
        toggle(key, deviation.held);
    }
    digest
}

//! What a node lacks.

use std::{collections::BTreeMap, sync::Arc, vec};

use gatewright_proto::{Digest, Key, Version, v1::Removal};

use super::holding::{self, Deviations, Holding, Kinds, Listed};
use crate::catalog::{Catalog, State};

/// The way from what a node holds to a state.
#[derive(Debug)]
pub(super) struct Plan {
    /// Where it leads.
    pub(super) state: Arc<State>,
    /// The revision that it starts from; 0 where it starts from nothing or from a list.
    pub(super) from: u64,
    /// What is to be sent.
    pub(super) upserts: Upserts,
    /// What is to go.
    pub(super) removals: Vec<Removal>,
    /// What the node holds after it, if it accepts all.
    pub(super) digest: Digest,
}

/// Which resources are sent.
#[derive(Debug)]
pub(super) enum Upserts {
    /// All that are there: a snapshot.
    All,
    /// These.
    These(vec::IntoIter<Key>),
}

impl Plan {
    /// Plans. None where the node must be asked first.
    pub(super) fn of(
        catalog: &Catalog,
        state: &Arc<State>,
        kinds: &Kinds,
        holding: &Holding,
    ) -> Option<Self> {
        match holding {
            Holding::Nothing => Some(Self {
                state: Arc::clone(state),
                from: 0,
                upserts: Upserts::All,
                removals: Vec::new(),
                digest: state.digest_of(kinds),
            }),
            Holding::At(head, deviations) => {
                let earlier = catalog.between(head, &state.head)?;
                let mut held = of_kinds(earlier, kinds);
                for (key, deviation) in deviations {
                    held.insert(key.clone(), deviation.held);
                }
                Some(Self::diff(state, kinds, held, deviations).starting(head.revision))
            }
            Holding::Listed(listed) => Some(Self::from_list(state, kinds, listed)),
            Holding::Unknown | Holding::Stuck(_) => None,
        }
    }

    fn from_list(state: &Arc<State>, kinds: &Kinds, listed: &Listed) -> Self {
        let missing = state.entries.keys().map(|key| (key.clone(), None));
        let mut held = of_kinds(missing.collect(), kinds);
        for key in listed.deviations.keys() {
            held.insert(key.clone(), None);
        }
        for (key, version) in &listed.versions {
            held.insert(key.clone(), Some(*version));
        }
        let mut plan = Self::diff(state, kinds, held, &listed.deviations);
        plan.removals.extend(listed.foreign.iter().cloned());
        plan
    }

    /// Compares what is held with the state. What was refused and is the same still, stays as it is.
    fn diff(
        state: &Arc<State>,
        kinds: &Kinds,
        held: BTreeMap<Key, Option<Version>>,
        deviations: &Deviations,
    ) -> Self {
        let (mut upserts, mut removals, mut parked) = (Vec::new(), Vec::new(), Deviations::new());
        for (key, held) in held {
            let wanted = state.version(&key).filter(|_| kinds.contains(&key.kind));
            match (deviations.get(&key), wanted) {
                (None, _) if wanted == held => {}
                (Some(deviation), Some(_))
                    if deviation.refused == wanted && deviation.held == held =>
                {
                    parked.insert(key, deviation.clone());
                }
                // Also where it holds just that, or nothing: what it refused is over, and it has to be
                // told, or it would keep closed what needs it and try the refused version again.
                (_, Some(_)) => upserts.push(key),
                (_, None) => removals.push(Removal {
                    kind: key.kind.to_string(),
                    name: key.name,
                }),
            }
        }
        Self {
            digest: holding::digest(state, kinds, &BTreeMap::new(), &parked),
            state: Arc::clone(state),
            from: 0,
            upserts: Upserts::These(upserts.into_iter()),
            removals,
        }
    }

    fn starting(self, from: u64) -> Self {
        Self { from, ..self }
    }

    /// Whether it replaces everything.
    pub(super) const fn is_snapshot(&self) -> bool {
        matches!(self.upserts, Upserts::All)
    }
}

fn of_kinds(
    versions: BTreeMap<Key, Option<Version>>,
    kinds: &Kinds,
) -> BTreeMap<Key, Option<Version>> {
    let understood = |(key, _): &(Key, Option<Version>)| kinds.contains(&key.kind);
    versions.into_iter().filter(understood).collect()
}

//! What follows from the addresses alone, worked out when they change: levels, rings, tables.

use std::{collections::BTreeMap, sync::Arc};

use gatewright_proto::v1::Balancer;

use super::{BalanceSpec, maglev::Maglev, ring::Ring};

/// One address of an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Share of the requests; 0 gets nothing.
    pub weight: u32,
    /// 0 is preferred.
    pub priority: u32,
    /// What tells it from others, the same on every node.
    pub identity: &'a [u8],
}

/// What follows from the addresses of an upstream.
#[derive(Debug)]
pub struct Plan {
    pub(super) spec: Arc<BalanceSpec>,
    /// By place.
    pub(super) weights: Box<[u32]>,
    /// Those that have weight, the most preferred first.
    pub(super) levels: Vec<Level>,
}

#[derive(Debug)]
pub(super) struct Level {
    pub(super) places: Vec<u32>,
    pub(super) table: Table,
}

/// Where keys belong.
#[derive(Debug)]
pub(super) enum Table {
    None,
    Ring(Ring),
    Maglev(Maglev),
}

impl Plan {
    /// Of these members; their place in the slice is what picks answer.
    pub fn new(spec: &Arc<BalanceSpec>, members: &[Member<'_>]) -> Self {
        let mut by_priority: BTreeMap<u32, Vec<(u32, Member<'_>)>> = BTreeMap::new();
        for (place, member) in (0_u32..).zip(members) {
            if member.weight > 0 {
                let level = by_priority.entry(member.priority).or_default();
                level.push((place, *member));
            }
        }
        let level = |members: Vec<(u32, Member<'_>)>| Level {
            table: match spec.balancer {
                Balancer::RingHash => Table::Ring(Ring::new(&members)),
                Balancer::Maglev => Table::Maglev(Maglev::new(&members)),
                _ => Table::None,
            },
            places: members.iter().map(|(place, _)| *place).collect(),
        };
        Self {
            spec: Arc::clone(spec),
            weights: members.iter().map(|it| it.weight).collect(),
            levels: by_priority.into_values().map(level).collect(),
        }
    }
}

impl Table {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Ring(ring) => ring.len(),
            Self::Maglev(maglev) => maglev.len(),
        }
    }

    fn start(&self, key: u64) -> usize {
        match self {
            Self::None => 0,
            Self::Ring(ring) => ring.start(key),
            Self::Maglev(maglev) => maglev.start(key),
        }
    }

    fn at(&self, index: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Ring(ring) => ring.at(index),
            Self::Maglev(maglev) => maglev.at(index),
        }
    }

    /// The places that a key belongs to, the first choice first, as often as they come.
    pub(super) fn walk(&self, key: u64) -> impl Iterator<Item = usize> {
        let start = self.start(key);
        (start..start + self.len()).map(|index| self.at(index))
    }
}

//! Ring hash: each address has points on a ring, as many as its weight says; a key belongs to the next one.

use super::{Member, xxhash::xxh64};

/// Fewest points of a ring.
const MIN_POINTS: f64 = 1024.0;
/// About the most.
const MAX_POINTS: f64 = (8 << 20) as f64;
/// Fewest points of an address, on average: with few, shares differ much.
const POINTS_EACH: f64 = 64.0;

/// Points in order, each with the place of its address.
#[derive(Debug)]
pub(super) struct Ring(Box<[(u64, u32)]>);

impl Ring {
    /// Of these members and their places.
    pub(super) fn new(members: &[(u32, Member<'_>)]) -> Self {
        let total: f64 = members.iter().map(|(_, it)| f64::from(it.weight)).sum();
        let least = (members.len() as f64 * POINTS_EACH).clamp(MIN_POINTS, MAX_POINTS / 2.0);
        // A power of two, so that what one address has does not change whenever another comes or goes.
        let scale = (least / total).log2().ceil().exp2();
        let mut points = Vec::new();
        for (place, member) in members {
            let count = (f64::from(member.weight) * scale).round().max(1.0) as u64;
            points.extend((0..count).map(|replica| (xxh64(member.identity, replica), *place)));
        }
        points.sort_unstable();
        Self(points.into())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where a key falls.
    pub(super) fn start(&self, key: u64) -> usize {
        self.0.partition_point(|(point, _)| *point < key)
    }

    /// The address at a point, counted around.
    pub(super) fn at(&self, point: usize) -> usize {
        self.0[point % self.0.len()].1 as usize
    }
}

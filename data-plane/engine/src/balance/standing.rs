//! Who is open now: what follows from who can be used, worked out when that changes and not with every
//! request.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::Rng;

use super::{
    Plan,
    level::{Count, Share, Thresholds, shares},
};

/// Who is open, by level.
#[derive(Debug)]
pub struct Standing {
    /// Tells it from all others.
    pub(super) id: u64,
    pub(super) levels: Vec<Open>,
    usable: Box<[bool]>,
}

/// Who is open in one level.
#[derive(Debug)]
pub(super) struct Open {
    /// Its share of all requests, 0 to 1.
    pub(super) share: f64,
    pub(super) panic: bool,
    /// Of those who are open.
    pub(super) places: Vec<u32>,
    /// Sums of the weights up to each place; empty where all weigh the same.
    ends: Vec<u64>,
    pub(super) total: u64,
}

impl Standing {
    /// Of the members of a plan, where these are usable.
    pub fn new(plan: &Plan, is_usable: impl Fn(usize) -> bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let usable: Box<[bool]> = (0..plan.weights.len()).map(is_usable).collect();
        let count = |places: &[u32]| Count {
            usable: places.iter().filter(|&&it| usable[it as usize]).count(),
            all: places.len(),
        };
        let counts: Vec<Count> = plan.levels.iter().map(|it| count(&it.places)).collect();
        let thresholds = Thresholds {
            overprovisioning_percent: plan.spec.overprovisioning_percent,
            panic_percent: plan.spec.panic_threshold_percent,
        };
        let levels = shares(&counts, thresholds)
            .into_iter()
            .zip(&plan.levels)
            .map(|(share, level)| Open::new(share, &level.places, &plan.weights, &usable))
            .collect();
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            levels,
            usable,
        }
    }

    /// Whether this place was usable.
    pub fn was_usable(&self, place: usize) -> bool {
        self.usable.get(place).copied().unwrap_or(false)
    }

    /// The share of the addresses that cannot be used, of those that have weight: 0 to 1.
    pub fn ill_share(&self, plan: &Plan) -> f64 {
        let weighted = plan.weights.iter().zip(&self.usable);
        let (mut all, mut ill) = (0_u32, 0_u32);
        for (_, usable) in weighted.filter(|(weight, _)| **weight > 0) {
            all += 1;
            ill += u32::from(!usable);
        }
        f64::from(ill) / f64::from(all.max(1))
    }

    /// Whether any level is balanced over all of its addresses, whatever their health.
    pub fn panics(&self) -> bool {
        self.levels.iter().any(|it| it.panic)
    }

    /// The level at a point of the line of all shares, 0 to 1. None where no level has any.
    pub(super) fn level(&self, mut point: f64) -> Option<usize> {
        let mut last = None;
        for (index, level) in self.levels.iter().enumerate() {
            if level.share <= 0.0 || level.places.is_empty() {
                continue;
            }
            if point < level.share {
                return Some(index);
            }
            point -= level.share;
            last = Some(index);
        }
        last
    }
}

impl Open {
    fn new(share: Share, places: &[u32], weights: &[u32], usable: &[bool]) -> Self {
        let open = |place: &u32| share.panic || usable[*place as usize];
        let places: Vec<u32> = places.iter().copied().filter(open).collect();
        let weight = |place: &u32| weights[*place as usize];
        let first = places.first().map_or(0, weight);
        let even = places.iter().all(|place| weight(place) == first);
        let mut total = 0;
        let mut ends = Vec::new();
        for place in &places {
            total += u64::from(weight(place));
            if !even {
                ends.push(total);
            }
        }
        Self {
            share: share.share,
            panic: share.panic,
            places,
            ends,
            total,
        }
    }

    /// One at random, as often as its weight says.
    pub(super) fn draw(&self, random: &mut impl Rng) -> Option<usize> {
        let index = match self.places.len() {
            0 => return None,
            1 => 0,
            count if self.ends.is_empty() => random.random_range(0..count),
            _ => {
                let point = random.random_range(0..self.total);
                self.ends.partition_point(|end| *end <= point)
            }
        };
        self.places.get(index).map(|&place| place as usize)
    }
}

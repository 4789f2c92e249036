//! Weighted round robin: whose turn it is. Each has a turn as often as its weight says, evenly spread
//! (stride scheduling), at a cost that does not follow the number of targets.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand::Rng;

/// Time between two turns of weight 1, in ticks.
const STRIDE: u64 = 1 << 40;
/// Where clocks are set back, so that ticks do not run out.
const LATE: u64 = 1 << 62;

/// When who has the next turn.
#[derive(Debug, Default)]
pub(super) struct Turns(BinaryHeap<Reverse<(u64, u32)>>);

impl Turns {
    /// Begins at a random point of everyone's stride: nodes and workers that begin at a time must not
    /// all send to the same target first.
    pub(super) fn begin(
        places: &[u32],
        weight: impl Fn(usize) -> f64,
        random: &mut impl Rng,
    ) -> Self {
        let first = |place: &u32| {
            let stride = stride(weight(*place as usize));
            Reverse((random.random_range(0..stride), *place))
        };
        Self(places.iter().map(first).collect())
    }

    /// The next.
    pub(super) fn next(&mut self, weight: impl Fn(usize) -> f64) -> Option<usize> {
        let mut first = self.0.peek_mut()?;
        let Reverse((tick, place)) = *first;
        first.0.0 = tick + stride(weight(place as usize));
        drop(first);
        if tick > LATE {
            self.set_back(tick);
        }
        Some(place as usize)
    }

    fn set_back(&mut self, by: u64) {
        let turns = std::mem::take(&mut self.0).into_vec();
        let earlier =
            |Reverse((tick, place)): Reverse<(u64, u32)>| Reverse((tick.saturating_sub(by), place));
        self.0 = turns.into_iter().map(earlier).collect();
    }
}

/// Ticks between two turns: at least 1, also for a weight that is nearly nothing not endless.
fn stride(weight: f64) -> u64 {
    let ticks = STRIDE as f64 / weight.max(f64::MIN_POSITIVE);
    (ticks as u64).clamp(1, STRIDE << 10)
}

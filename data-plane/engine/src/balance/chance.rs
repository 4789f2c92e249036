//! Draws targets at random, each as often as its weight says.

use rand::Rng;

use super::{Sight, standing::Open};

/// How often a draw that may not be taken is made again before all are looked at.
const MAX_DRAWS: usize = 32;

/// One that has not been tried. One that is being brought in is passed over as often as its share says.
pub(super) fn draw(open: &Open, sight: &impl Sight, random: &mut impl Rng) -> Option<usize> {
    for _ in 0..MAX_DRAWS {
        let place = open.draw(random)?;
        if sight.was_tried(place) {
            continue;
        }
        let share = sight.ramp(place);
        if share >= 1.0 || random.random::<f64>() < share {
            return Some(place);
        }
    }
    let from = random.random_range(0..open.places.len());
    let (before, after) = open.places.split_at(from);
    let all = after.iter().chain(before);
    let mut left = all.map(|&place| place as usize);
    left.find(|&place| !sight.was_tried(place))
}

/// The one with the least load of this many draws; the earlier draw where equal, so that an idle upstream
/// is still shared by weight.
pub(super) fn least(
    open: &Open,
    count: u32,
    load: impl Fn(usize) -> f64,
    (sight, random): (&impl Sight, &mut impl Rng),
) -> Option<usize> {
    let mut best = draw(open, sight, random)?;
    if open.places.len() == 1 {
        return Some(best);
    }
    for _ in 1..count {
        let other = draw(open, sight, random)?;
        if other != best && load(other) < load(best) {
            best = other;
        }
    }
    Some(best)
}

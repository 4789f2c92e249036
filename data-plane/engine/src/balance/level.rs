//! Priorities: which levels of targets get how much, and which are in panic.

/// How many of a level's addresses are usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) usable: usize,
    pub(super) all: usize,
}

/// What a level gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// Of all requests, 0 to 1.
    pub(super) share: f64,
    /// Whether it is balanced over all of its addresses, whatever their health.
    pub(super) panic: bool,
}

/// Percentages that levels are judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    /// A level is as good as whole while its usable share times this is 100 %. 140: 71.4 % are enough.
    pub(super) overprovisioning_percent: u32,
    /// A level with a smaller usable share is in panic, unless others make up for it. 0: never.
    pub(super) panic_percent: u32,
}

/// What each level gets, the most preferred first. Each takes what it is good for of what is left; where
/// all together are good for less than everything, they share in proportion. Levels are in panic
/// only then. Where all are, each gets as much as it has addresses.
pub(super) fn shares(levels: &[Count], thresholds: Thresholds) -> Vec<Share> {
    let over = f64::from(thresholds.overprovisioning_percent) / 100.0;
    let usable = |it: &Count| it.usable as f64 / it.all.max(1) as f64;
    let good: Vec<f64> = levels
        .iter()
        .map(|it| (usable(it) * over).min(1.0))
        .collect();
    let total: f64 = good.iter().sum();
    // Sums of floating point may miss 1 by a little.
    let enough = total > 1.0 - 1e-9;
    let least = f64::from(thresholds.panic_percent) / 100.0;
    let panics = |it: &Count| !enough && it.all > 0 && usable(it) < least;
    if !levels.is_empty() && levels.iter().all(|it| it.all == 0 || panics(it)) {
        return by_size(levels);
    }
    let mut left = 1.0;
    let share = |(good, level): (&f64, &Count)| {
        let share = match enough {
            true => good.min(left),
            false if total > 0.0 => good / total,
            false => 0.0,
        };
        left = f64::max(left - share, 0.0);
        Share {
            share,
            panic: panics(level),
        }
    };
    good.iter().zip(levels).map(share).collect()
}

fn by_size(levels: &[Count]) -> Vec<Share> {
    let all: usize = levels.iter().map(|it| it.all).sum();
    let share = |it: &Count| Share {
        share: it.all as f64 / all.max(1) as f64,
        panic: it.all > 0,
    };
    levels.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels of 100 with this many usable, to the rounded percent that each gets.
    fn percent(usable: &[usize], panic_percent: u32) -> (Vec<u32>, Vec<bool>) {
        let levels: Vec<Count> = usable
            .iter()
            .map(|&usable| Count { usable, all: 100 })
            .collect();
        let thresholds = Thresholds {
            overprovisioning_percent: 140,
            panic_percent,
        };
        let shares = shares(&levels, thresholds);
        let rounded = |it: &Share| (it.share * 100.0).round() as u32;
        (
            shares.iter().map(rounded).collect(),
            shares.iter().map(|it| it.panic).collect(),
        )
    }

    #[test]
    fn a_level_keeps_what_it_is_good_for_and_spills_the_rest() {
        for (usable, expected) in [
            (&[100, 100][..], &[100, 0][..]),
            (&[72, 72], &[100, 0]),
            (&[71, 71], &[99, 1]),
            (&[50, 60], &[70, 30]),
            (&[25, 100], &[35, 65]),
            (&[0, 100], &[0, 100]),
            (&[72, 72, 100], &[100, 0, 0]),
            (&[71, 71, 100], &[99, 1, 0]),
            (&[50, 50, 100], &[70, 30, 0]),
            (&[25, 25, 100], &[35, 35, 30]),
            (&[25, 25, 20], &[36, 36, 29]),
        ] {
            assert_eq!(percent(usable, 0).0, expected, "{usable:?}");
        }
    }

    #[test]
    fn a_level_panics_where_all_together_are_not_enough() {
        for (usable, shares, panics) in [
            (&[72, 72][..], &[100, 0][..], &[false, false][..]),
            (&[50, 60], &[70, 30], &[false, false]),
            (&[25, 100], &[35, 65], &[false, false]),
            (&[25, 25], &[50, 50], &[true, true]),
            (&[5, 65], &[7, 93], &[true, false]),
            (&[50], &[100], &[false]),
            (&[49], &[100], &[true]),
            (&[0], &[100], &[true]),
        ] {
            let expected = (shares.to_vec(), panics.to_vec());
            assert_eq!(percent(usable, 50), expected, "{usable:?}");
        }
    }

    #[test]
    fn without_panic_nothing_usable_gets_nothing() {
        assert_eq!(percent(&[0, 0], 0), (vec![0, 0], vec![false, false]));
        assert_eq!(percent(&[1, 0], 0), (vec![100, 0], vec![false, false]));
    }

    #[test]
    fn levels_in_panic_share_by_size() {
        let levels = [Count { usable: 0, all: 30 }, Count { usable: 1, all: 10 }];
        let thresholds = Thresholds {
            overprovisioning_percent: 140,
            panic_percent: 50,
        };
        let shares = shares(&levels, thresholds);
        assert_eq!(shares[0].share, 0.75);
        assert_eq!(shares[1].share, 0.25);
    }
}

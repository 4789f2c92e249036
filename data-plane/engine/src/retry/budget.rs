//! How many retries there may be at the same time, so that they do not bring down what is already failing.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::guard::RetryPlace;

/// The bound: a share of what is in flight, and in any case a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// 0 to 100.
    pub percent: u32,
    /// In any case so many.
    pub min: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            percent: 20,
            min: 3,
        }
    }
}

impl Budget {
    /// How many retries there may be with so many requests in flight.
    pub fn most(&self, in_flight: u64) -> u64 {
        let share = in_flight.saturating_mul(u64::from(self.percent)) / 100;
        share.max(u64::from(self.min))
    }
}

/// The retries of one service that are under way, waiting included.
#[derive(Debug, Default)]
pub struct Retrying(AtomicU64);

impl Retrying {
    /// Begins one, where there are fewer than `most`. `place` is kept as long as it lasts.
    pub fn begin(self: &Arc<Self>, most: u64, place: Option<RetryPlace>) -> Option<Permit> {
        let one_more = |count| (count < most).then_some(count + 1);
        let begun = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        begun.is_ok().then(|| Permit {
            retrying: Arc::clone(self),
            _place: place,
        })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One retry under way, until dropped.
#[derive(Debug)]
pub struct Permit {
    retrying: Arc<Retrying>,
    /// Its place under the limits of the upstream, given back with it.
    _place: Option<RetryPlace>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.retrying.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_share_of_what_is_in_flight_and_at_least_a_few() {
        let budget = Budget::default();
        assert_eq!(budget.most(10), 3, "the minimum wins");
        assert_eq!(budget.most(100), 20);
        assert_eq!(budget.most(0), 3);
        let none = Budget { percent: 0, min: 0 };
        assert_eq!(none.most(1000), 0);
    }

    #[test]
    fn retries_beyond_the_budget_do_not_begin_and_one_that_ends_makes_room() {
        let retrying = Arc::new(Retrying::default());
        let most = Budget::default().most(10);
        let mut permits: Vec<_> = (0..3)
            .map(|_| retrying.begin(most, None).unwrap())
            .collect();
        assert!(retrying.begin(most, None).is_none());
        permits.pop();
        assert_eq!(retrying.count(), 2);
        assert!(retrying.begin(most, None).is_some());
    }
}

//! How long to wait before a retry: exponential, with full jitter.

use std::time::Duration;

/// The bounds of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Of the first retry.
    pub base: Duration,
    /// Of any.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::of(Duration::from_millis(25))
    }
}

impl Backoff {
    /// With this base, up to ten times as much.
    pub fn of(base: Duration) -> Self {
        Self {
            base,
            max: base * 10,
        }
    }

    /// The wait before this retry (1 is the first) is below this: the smaller of base * 2^(N-1) and `max`.
    pub fn bound(&self, retry: u32) -> Duration {
        let doublings = retry.saturating_sub(1).min(31);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }

    /// The wait before this retry, for a `chance` of 0 to 1 (exclusive). All of the range is drawn from, so
    /// that requests which failed together do not come back together.
    pub fn pause(&self, retry: u32, chance: f64) -> Duration {
        self.bound(retry).mul_f64(chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_wait_is_drawn_from_the_whole_of_a_range_that_doubles_up_to_ten_times_the_base() {
        let backoff = Backoff::default();
        let bounds: Vec<u64> = (1..=7)
            .map(|retry| u64::try_from(backoff.bound(retry).as_millis()).unwrap())
            .collect();
        assert_eq!(bounds, [25, 50, 100, 200, 250, 250, 250]);
        assert_eq!(backoff.pause(1, 0.0), ms(0));
        assert_eq!(backoff.pause(3, 0.5), ms(50));
        for retry in [1, 2, 3, 4, 5, 40, u32::MAX] {
            assert!(backoff.pause(retry, 0.999_999) < backoff.bound(retry));
        }
    }
}

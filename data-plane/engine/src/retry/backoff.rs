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

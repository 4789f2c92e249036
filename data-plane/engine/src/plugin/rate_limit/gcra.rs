//! The generic cell rate algorithm, on times since the start of the process.
//!
//! It is written out here rather than taken from `governor`, which tests compare it with: several
//! windows must be checked before any is charged, and times must mean the same to the limits of the
//! next configuration.

/// A limit: a bucket that is refilled evenly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    /// Time that one request is worth.
    interval_ns: u64,
    /// Time that all of an empty bucket is worth.
    refill_ns: u64,
}

impl Quota {
    /// `requests` in `period_ms`, at most `burst` at once. All are at least 1. None where refilling
    /// takes longer than can be counted.
    pub(super) fn new(requests: u32, period_ms: u64, burst: u32) -> Option<Self> {
        let interval_ns = (period_ms.checked_mul(1_000_000)? / u64::from(requests)).max(1);
        let refill_ns = interval_ns.checked_mul(u64::from(burst))?;
        Some(Self {
            interval_ns,
            refill_ns,
        })
    }

    /// This share of it, in thousandths: as many fewer requests, in the same time. One at least.
    pub(super) fn scaled(&self, permille: u32) -> Self {
        let interval_ns = self.interval_ns * 1000 / u64::from(permille.max(1));
        Self {
            interval_ns,
            refill_ns: self.refill_ns.max(interval_ns),
        }
    }

    /// Time to refill an empty bucket.
    pub(super) const fn refill_ns(&self) -> u64 {
        self.refill_ns
    }

    /// The time at which the bucket is full again after one more request, or how long to wait for one.
    /// `full_at` may be left over from another quota, so it is brought within this one's reach.
    pub(super) fn check(&self, full_at: u64, now: u64) -> Result<u64, u64> {
        let next = self.within(full_at, now) + self.interval_ns;
        let latest = now + self.refill_ns;
        if next <= latest {
            Ok(next)
        } else {
            Err(next - latest)
        }
    }

    /// Requests left.
    pub(super) fn remaining(&self, full_at: u64, now: u64) -> u64 {
        let used = self.within(full_at, now) - now;
        (self.refill_ns - used) / self.interval_ns
    }

    /// How long until the bucket is full.
    pub(super) fn full_after(&self, full_at: u64, now: u64) -> u64 {
        self.within(full_at, now) - now
    }

    fn within(&self, full_at: u64, now: u64) -> u64 {
        full_at.clamp(now, now + self.refill_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use governor::{RateLimiter, clock::FakeRelativeClock};
    use proptest::prelude::{ProptestConfig, prop, proptest};

    use super::Quota;

    #[test]
    fn a_part_of_a_limit_knows_what_was_used_of_the_whole() {
        let whole = Quota::new(100, 1000, 100).unwrap();
        let half = whole.scaled(500);
        let mut full_at = 0;
        for _ in 0..60 {
            full_at = whole.check(full_at, 0).unwrap();
        }
        assert_eq!(whole.remaining(full_at, 0), 40);
        assert_eq!(half.remaining(full_at, 0), 20);
        for _ in 0..20 {
            full_at = half.check(full_at, 0).unwrap();
        }
        assert!(half.check(full_at, 0).is_err());
        let single = Quota::new(1, 1000, 1).unwrap().scaled(100);
        assert!(single.check(0, 0).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn it_decides_as_governor_does(
            requests in 1_u32..50,
            seconds in 1_u64..100,
            burst in 1_u32..60,
            pauses in prop::collection::vec(0_u64..3_000_000_000, 1..200),
        ) {
            let quota = Quota::new(requests, seconds * 1000, burst).unwrap();
            let clock = FakeRelativeClock::default();
            let theirs = governor::Quota::with_period(Duration::from_nanos(quota.interval_ns)).unwrap();
            let theirs = theirs.allow_burst(NonZeroU32::new(burst).unwrap());
            let theirs = RateLimiter::direct_with_clock(theirs, clock.clone());
            let (mut full_at, mut now) = (0, 0);
            for pause in pauses {
                now += pause;
                clock.advance(Duration::from_nanos(pause));
                let ours = quota.check(full_at, now);
                assert_eq!(ours.is_ok(), theirs.check().is_ok());
                full_at = ours.unwrap_or(full_at);
            }
        }
    }
}

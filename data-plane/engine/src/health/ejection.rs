//! For how long a target is left out, and how many may be.

use std::time::{Duration, Instant};

/// Bounds on ejections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For how long, times how often.
    pub base: Duration,
    /// The longest, without jitter. Not below `base`.
    pub longest: Duration,
    /// Up to this much is added at random.
    pub jitter: Duration,
    /// Without an ejection for so long, one less is counted.
    pub interval: Duration,
    /// Largest share of the addresses, in percent.
    pub most_percent: u32,
    /// Whether one may go whatever the share.
    pub always_one: bool,
}

/// An upstream's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// All that may get requests by their weight.
    pub hosts: usize,
    /// Those that are ejected.
    pub ejected: usize,
    /// Those that get requests: neither ejected nor known to be unhealthy.
    pub usable: usize,
}

impl Terms {
    /// Whether one more, which is usable now, may be ejected. The last one that is usable never may.
    pub const fn allow(&self, share: Share) -> bool {
        if share.usable < 2 {
            return false;
        }
        let within = 100 * (share.ejected + 1) <= share.hosts * self.most_percent as usize;
        within || (self.always_one && share.ejected == 0)
    }

    /// For how long, the `times`-th time, with `random` from 0 up to but not including 1.
    pub fn time(&self, times: u32, random: f64) -> Duration {
        let long = self.base.saturating_mul(times.max(1));
        long.min(self.longest.max(self.base)) + self.jitter.mul_f64(random.clamp(0.0, 1.0))
    }
}

/// A target's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// How often it was ejected, less one for each interval without.
    times: u32,
    /// Since when it has been back.
    back: Option<Instant>,
}

impl Record {
    /// Counts an ejection, and answers for how long it is.
    pub fn eject(&mut self, now: Instant, terms: &Terms, random: f64) -> Duration {
        self.times = self.times(now, terms).saturating_add(1);
        self.back = None;
        terms.time(self.times, random)
    }

    /// Notes that it is back.
    pub const fn readmit(&mut self, now: Instant) {
        self.back = Some(now);
    }

    /// How often it was ejected, as far as it is still counted.
    pub fn times(&self, now: Instant, terms: &Terms) -> u32 {
        let Some(back) = self.back else {
            return self.times;
        };
        let interval = terms.interval.as_millis().max(1);
        let healthy = now.saturating_duration_since(back).as_millis() / interval;
        self.times
            .saturating_sub(u32::try_from(healthy).unwrap_or(u32::MAX))
    }
}

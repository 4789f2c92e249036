//! Detectors that compare targets over a time. Requests count into a [`Tally`]; it is emptied ten times an interval
//! into a [`Window`], so that what is looked at is exact: in an average that fades, a burst of successes
//! hides a failure of everything after it.

use std::{
    array,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Parts of an interval.
pub const BUCKETS: u32 = 10;

/// Finds targets whose share of successes is far below the others'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// Addresses with enough requests that there must be.
    pub min_hosts: u32,
    /// Requests that are enough.
    pub min_requests: u32,
    /// Standard deviations below the mean, in thousandths.
    pub deviation_permille: u32,
}

/// Finds targets most of whose requests fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    /// From this share on, in percent.
    pub threshold_percent: u32,
    /// Addresses with enough requests that there must be.
    pub min_hosts: u32,
    /// Requests that are enough.
    pub min_requests: u32,
}

/// Requests, and those of them that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub total: u32,
    /// Those that failed.
    pub failed: u32,
}

impl Counts {
    /// The share that succeeded, in percent.
    fn success_percent(self) -> f64 {
        100.0 - self.failure_percent()
    }

    fn failure_percent(self) -> f64 {
        100.0 * f64::from(self.failed) / f64::from(self.total.max(1))
    }
}

impl SuccessRate {
    /// The places of the targets that lie below mean - factor x deviation (that of the population, not of a sample).
    pub fn outliers(&self, hosts: &[Counts]) -> Vec<usize> {
        let rates = enough(hosts, self.min_hosts, self.min_requests);
        let Some(threshold) = self.threshold(&rates) else {
            return Vec::new();
        };
        let below = rates.iter().filter(|(_, rate)| *rate < threshold);
        below.map(|(place, _)| *place).collect()
    }

    /// The percentage below which a target is an outlier; none where there are too few to compare.
    fn threshold(&self, rates: &[(usize, f64)]) -> Option<f64> {
        let count = f64::from(u32::try_from(rates.len()).ok().filter(|count| *count > 0)?);
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
        let squares = rates.iter().map(|(_, rate)| (rate - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        Some(mean - f64::from(self.deviation_permille) / 1000.0 * deviation)
    }
}

impl FailurePercentage {
    /// The places of the targets that fail too often.
    pub fn outliers(&self, hosts: &[Counts]) -> Vec<usize> {
        let threshold = 100.0 - f64::from(self.threshold_percent);
        let rates = enough(hosts, self.min_hosts, self.min_requests);
        let below = rates.iter().filter(|(_, rate)| *rate <= threshold);
        below.map(|(place, _)| *place).collect()
    }
}

/// Place and share of successes of those with enough requests; none at all where they are too few.
fn enough(hosts: &[Counts], min_hosts: u32, min_requests: u32) -> Vec<(usize, f64)> {
    let known: Vec<_> = hosts
        .iter()
        .enumerate()
        .filter(|(_, counts)| counts.total >= min_requests.max(1))
        .map(|(place, counts)| (place, counts.success_percent()))
        .collect();
    match known.len() < min_hosts as usize {
        true => Vec::new(),
        false => known,
    }
}

/// What requests count into.
#[derive(Debug, Default)]
pub struct Tally {
    total: AtomicU32,
    failed: AtomicU32,
}

impl Tally {
    /// Counts one.
    pub fn count(&self, failed: bool) {
        self.total.fetch_add(1, Relaxed);
        if failed {
            self.failed.fetch_add(1, Relaxed);
        }
    }

    /// Empties it.
    pub fn take(&self) -> Counts {
        // In this order: a request that counts in between is one without its failure, never the reverse.
        let failed = self.failed.swap(0, Relaxed);
        let total = self.total.swap(0, Relaxed).max(failed);
        Counts { total, failed }
    }
}

/// The last interval, in parts.
#[derive(Debug)]
pub struct Window {
    buckets: [Counts; BUCKETS as usize],
    next: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            buckets: array::from_fn(|_| Counts::default()),
            next: 0,
        }
    }
}

impl Window {
    /// Adds the newest part in place of the oldest.
    pub fn push(&mut self, counts: Counts) {
        self.buckets[self.next] = counts;
        self.next = (self.next + 1) % self.buckets.len();
    }

    /// All of it.
    pub fn sum(&self) -> Counts {
        let add = |sum: Counts, part: &Counts| Counts {
            total: sum.total.saturating_add(part.total),
            failed: sum.failed.saturating_add(part.failed),
        };
        self.buckets.iter().fold(Counts::default(), add)
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

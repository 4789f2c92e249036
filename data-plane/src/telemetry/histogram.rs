//! How long things took. Own and not the registry's, whose histograms take a lock with every observation.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// Upper bounds, in microseconds.
const BOUNDS_US: [u64; 13] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

/// Counts by duration.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS_US.iter().position(|bound| us <= *bound);
        self.counts[place.unwrap_or(BOUNDS_US.len())].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        let counts = self.counts.iter().map(|it| it.load(Ordering::Relaxed));
        counts.sum()
    }

    /// Writes it, in seconds.
    pub(super) fn encode(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS_US.iter().map(|us| seconds(*us));
        let counts = self.counts.iter().map(|it| it.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let total = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.sum_us.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

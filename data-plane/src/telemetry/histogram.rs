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

/// Counts by duration, at one moment.
pub(super) type Counts = [u64; BOUNDS_US.len() + 1];

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
        self.counts().iter().sum()
    }

    /// All counts.
    pub(super) fn counts(&self) -> Counts {
        std::array::from_fn(|place| self.counts[place].load(Ordering::Relaxed))
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

/// What this share of the durations does not exceed, in milliseconds, as if they lay evenly within their bounds.
/// 0 where there are none; the last bound where they are over it.
#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate, of counts far below 2^53"
)]
pub(super) fn quantile_ms(counts: &Counts, share: f64) -> f64 {
    let wanted = counts.iter().sum::<u64>() as f64 * share;
    let (mut below, mut least_us) = (0.0, 0);
    for (count, bound_us) in counts.iter().zip(BOUNDS_US) {
        let count = *count as f64;
        if count > 0.0 && below + count >= wanted {
            let part = ((wanted - below) / count).clamp(0.0, 1.0);
            let us = least_us as f64 + part * (bound_us - least_us) as f64;
            return us / 1000.0;
        }
        (below, least_us) = (below + count, bound_us);
    }
    match wanted > 0.0 {
        true => least_us as f64 / 1000.0,
        false => 0.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

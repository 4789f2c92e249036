//! Latencies of a short while, for their median: counted by size, without a lock.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Sizes told apart within a doubling: 3 percent.
const PARTS: u64 = 32;
const PART_BITS: u32 = 5;
/// Up to 67 seconds.
const BUCKETS: usize = 23 * PARTS as usize;

/// Counts of latencies from a microsecond to a minute, by size.
#[derive(Debug)]
pub(super) struct Latencies {
    count: AtomicU32,
    buckets: Box<[AtomicU32]>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            count: AtomicU32::new(0),
            buckets: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

impl Latencies {
    /// Counts one.
    pub(super) fn record(&self, latency: Duration) {
        let place = place(latency.as_micros() as u64);
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// The median of them, which are then forgotten; none where there are none.
    pub(super) fn take_median(&self) -> Option<Duration> {
        self.count.store(0, Ordering::Relaxed);
        let counts: Vec<u32> = self
            .buckets
            .iter()
            .map(|bucket| bucket.swap(0, Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().copied().map(u64::from).sum();
        let middle = total.div_ceil(2);
        let mut seen = 0;
        for (place, count) in counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= middle.max(1) {
                return Some(Duration::from_micros(value(place)));
            }
        }
        None
    }
}

fn place(microseconds: u64) -> usize {
    if microseconds < PARTS {
        return microseconds as usize;
    }
    let exponent = 63 - microseconds.leading_zeros();
    let part = (microseconds >> (exponent - PART_BITS)) % PARTS;
    let place = u64::from(exponent - PART_BITS + 1) * PARTS + part;
    (place as usize).min(BUCKETS - 1)
}

/// The middle of what a place stands for.
const fn value(place: usize) -> u64 {
    let place = place as u64;
    if place < PARTS {
        return place;
    }
    let shift = place / PARTS - 1;
    let least = (PARTS + place % PARTS) << shift;
    least + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latencies;

    #[test]
    fn the_median_is_within_three_percent() {
        for microseconds in [1, 31, 32, 100, 999, 20_000, 1_234_567, 60_000_000] {
            let latencies = Latencies::default();
            for factor in [1, 2, 3] {
                latencies.record(Duration::from_micros(microseconds * factor / 2));
            }
            assert_eq!(latencies.count(), 3);
            let median = latencies.take_median().unwrap().as_micros() as f64;
            let error = (median - microseconds as f64).abs() / microseconds as f64;
            assert!(error < 0.03, "{microseconds}: {median}");
            assert_eq!(latencies.take_median(), None);
        }
    }

    #[test]
    fn no_latency_is_too_long_to_be_counted() {
        let latencies = Latencies::default();
        latencies.record(Duration::MAX);
        assert!(latencies.take_median().unwrap() > Duration::from_secs(60));
    }
}

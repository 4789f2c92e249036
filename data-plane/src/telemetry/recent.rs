//! Latency over the last moments, from counts that only ever grow: what has been added since they were looked at
//! 10 to 20 seconds ago.

use std::time::{Duration, Instant};

use super::histogram::{Counts, quantile_ms};

/// Time between two of the moments that are remembered.
const STEP: Duration = Duration::from_secs(10);

/// Two moments, and what had been counted then.
#[derive(Debug, Default)]
pub(super) struct Recent {
    older: Counts,
    newer: Option<(Instant, Counts)>,
}

impl Recent {
    /// What half, and all but one in a hundred, of the recent durations do not exceed, in milliseconds. Called
    /// now and then with all that has been counted.
    pub(super) fn latency_ms(&mut self, now: Instant, counts: Counts) -> [f64; 2] {
        let (since, newer) = self.newer.unwrap_or((now, self.older));
        let passed = now.saturating_duration_since(since);
        // Where nobody has looked for long, what was newer is old by now.
        if passed >= STEP {
            self.older = newer;
            self.newer = Some((now, counts));
        } else {
            self.newer = Some((since, newer));
        }
        let older = &self.older;
        let added = std::array::from_fn(|place| counts[place].saturating_sub(older[place]));
        [0.5, 0.99].map(|share| quantile_ms(&added, share))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{super::histogram::Histogram, Recent};

    #[test]
    fn latency_is_that_of_the_last_moments() {
        let (histogram, mut recent, begin) =
            (Histogram::default(), Recent::default(), Instant::now());
        let mut look = |second: u64, histogram: &Histogram| {
            let now = begin + Duration::from_secs(second);
            recent.latency_ms(now, histogram.counts())
        };
        assert_eq!(look(0, &histogram), [0.0, 0.0]);
        for _ in 0..100 {
            histogram.observe(Duration::from_millis(80));
        }
        let [p50, p99] = look(1, &histogram);
        assert!((50.0..=100.0).contains(&p50) && p50 < p99, "{p50} {p99}");
        assert_eq!(look(9, &histogram), [p50, p99], "it is still recent");
        look(11, &histogram);
        histogram.observe(Duration::from_millis(2));
        look(22, &histogram);
        let [p50, p99] = look(23, &histogram);
        assert!((1.0..=2.5).contains(&p50) && p99 <= 2.5, "{p50} {p99}");
        look(33, &histogram);
        assert_eq!(look(44, &histogram), [0.0, 0.0]);
    }

    #[test]
    fn what_is_over_every_bound_counts_as_the_last_one() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_secs(60));
        let latency = Recent::default().latency_ms(Instant::now(), histogram.counts());
        assert_eq!(latency, [10_000.0, 10_000.0]);
    }
}

//! What nodes have counted of a service, added up.

use std::collections::BTreeMap;

use gatewright_proto::{latency::end_of, v1::ServiceState};
use serde::{Deserialize, Serialize};

/// What nodes have counted of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    /// Requests.
    pub(super) requests: u64,
    /// Those of them that failed.
    pub(super) errors: u64,
    /// How long they took, by range of latency.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) latency: BTreeMap<u32, u64>,
}

/// What nodes have counted of both services of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Pair {
    pub(super) canary: Tally,
    pub(super) baseline: Tally,
}

impl Pair {
    pub(super) fn add(&mut self, other: &Self) {
        self.canary.add(&other.canary);
        self.baseline.add(&other.baseline);
    }
}

impl Tally {
    /// What a node says of a service since its start.
    pub(super) fn of(state: &ServiceState) -> Self {
        Self {
            requests: state.requests,
            errors: state.errors,
            latency: state.latency.clone(),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        for (range, count) in &other.latency {
            *self.latency.entry(*range).or_default() += count;
        }
    }

    /// What has been counted since this was. A node that has forgotten its service has counted anew.
    pub(super) fn since(&self, mark: &Self) -> Self {
        if self.requests < mark.requests || self.errors < mark.errors {
            return self.clone();
        }
        let latency = self.latency.iter().filter_map(|(range, count)| {
            let before = mark.latency.get(range).copied().unwrap_or(0);
            Some((*range, count.saturating_sub(before))).filter(|(_, count)| *count > 0)
        });
        Self {
            requests: self.requests - mark.requests,
            errors: self.errors - mark.errors,
            latency: latency.collect(),
        }
    }

    /// The share of requests that failed, in percent.
    #[allow(clippy::cast_precision_loss)] // A share is not told to 15 digits.
    pub(super) fn error_percent(&self) -> f64 {
        // The two are read one after the other.
        let errors = self.errors.min(self.requests);
        match self.requests {
            0 => 0.0,
            requests => errors as f64 * 100.0 / requests as f64,
        }
    }

    /// The time in which 99 % of the requests were answered, in milliseconds; none where nothing is known.
    #[allow(clippy::cast_precision_loss)] // It is known to an eighth.
    pub(super) fn p99_ms(&self) -> Option<f64> {
        let all: u64 = self.latency.values().sum();
        let (mut below, wanted) = (0, all - all / 100);
        for (range, count) in &self.latency {
            let range = usize::try_from(*range).ok()?;
            if below + count >= wanted {
                let start = range.checked_sub(1).map_or(0, end_of) as f64;
                let part = (wanted - below) as f64 / *count as f64;
                return Some((start + part * (end_of(range) as f64 - start)) / 1000.0);
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gatewright_proto::latency::range_of;

    use super::Tally;

    fn counted(latencies: &[(u64, u64)]) -> Tally {
        let range = |(us, count): &(u64, u64)| (u32::try_from(range_of(*us)).unwrap(), *count);
        Tally {
            requests: latencies.iter().map(|(_, count)| count).sum(),
            errors: 0,
            latency: latencies.iter().map(range).collect(),
        }
    }

    #[test]
    fn the_99th_of_a_hundred_is_told_to_an_eighth() {
        let p99 = |latencies: &[(u64, u64)]| counted(latencies).p99_ms().unwrap();
        for (latencies, expected) in [
            (&[(10_000, 98), (200_000, 2)][..], 200.0),
            (&[(10_000, 99), (200_000, 1)], 10.0),
            (&[(10_000, 1)], 10.0),
        ] {
            let p99 = p99(latencies);
            assert!((p99 / expected - 1.0).abs() <= 0.125, "{p99} {expected}");
        }
        assert_eq!(Tally::default().p99_ms(), None);
    }

    #[test]
    fn what_was_counted_since_a_mark_and_before_it_is_all_of_it() {
        let before = counted(&[(1000, 5), (9000, 1)]);
        let after = counted(&[(1000, 7), (9000, 1), (70_000, 2)]);
        let mut sum = after.since(&before);
        assert_eq!(sum.requests, 4);
        sum.add(&before);
        assert_eq!(sum, after);
        let anew = counted(&[(1000, 2)]);
        assert_eq!(anew.since(&before), anew);
    }

    #[test]
    fn shares_are_of_requests() {
        let of = |requests, errors| Tally {
            requests,
            errors,
            latency: BTreeMap::new(),
        };
        assert_eq!(of(0, 0).error_percent(), 0.0);
        assert_eq!(of(200, 1).error_percent(), 0.5);
        assert_eq!(of(1, 2).error_percent(), 100.0);
    }
}

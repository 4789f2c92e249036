//! Peak EWMA: what a target costs, from how long its answers take. A longer answer counts at once, shorter
//! ones win back trust over time (Finagle's and tower's definition).

use std::time::Duration;

use http::StatusCode;

use crate::outcome::Outcome;

/// What a target is taken to need before its first answer.
const INITIAL_SECONDS: f64 = 0.030;
/// The least an estimate counts for, so that one that has long been idle is not flooded before its first
/// answer. Below it, requests in flight decide alone.
const FLOOR_SECONDS: f64 = 0.001;
/// By how much a failure is worse than what the target was worth already: one that fails fast must not
/// look fast.
const PENALTY_SECONDS: f64 = 1.0;
/// The largest estimate.
const MAX_SECONDS: f64 = 60.0;

/// The running estimate of one target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ewma {
    /// Seconds.
    pub value: f64,
    /// When it was updated, since any fixed point in time.
    pub at: Duration,
}

impl Ewma {
    /// Of a target that has not answered yet.
    pub const fn new(at: Duration) -> Self {
        Self {
            value: INITIAL_SECONDS,
            at,
        }
    }

    /// The estimate now, in seconds: it falls while nothing is heard of the target, so that it is tried
    /// again.
    pub fn now(&self, now: Duration, decay: Duration) -> f64 {
        self.value * kept(now.saturating_sub(self.at), decay)
    }

    /// What a further request costs, with this many in flight.
    pub fn cost(&self, in_flight: u32, now: Duration, decay: Duration) -> f64 {
        self.now(now, decay).max(FLOOR_SECONDS) * (f64::from(in_flight) + 1.0)
    }

    /// Learns from an attempt; one that says nothing of the target changes nothing.
    #[must_use]
    pub fn observe(&self, outcome: &Outcome, now: Duration, decay: Duration) -> Self {
        let Some(succeeded) = outcome.succeeded() else {
            return *self;
        };
        let took = outcome.took.as_secs_f64();
        let failed = !succeeded || outcome.status() == Some(StatusCode::TOO_MANY_REQUESTS);
        let sample = match failed {
            true => took.max(self.now(now, decay)) + PENALTY_SECONDS,
            false => took,
        };
        self.sample(sample.min(MAX_SECONDS), now, decay)
    }

    fn sample(&self, sample: f64, now: Duration, decay: Duration) -> Self {
        let kept = kept(now.saturating_sub(self.at), decay);
        let value = match sample > self.value {
            true => sample,
            false => self.value * kept + sample * (1.0 - kept),
        };
        Self { value, at: now }
    }
}

/// The share of an estimate that is left after this time: 1 - alpha.
fn kept(elapsed: Duration, decay: Duration) -> f64 {
    (-elapsed.as_secs_f64() / decay.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::outcome::End;

    const DECAY: Duration = Duration::from_secs(10);

    fn outcome(status: u16, took_ms: u64) -> Outcome {
        let status = StatusCode::from_u16(status).unwrap();
        Outcome {
            end: End::Response { status, grpc: None },
            took: Duration::from_millis(took_ms),
        }
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(100 + seconds)
    }

    fn worth(value: f64) -> Ewma {
        let at = after(0);
        Ewma { value, at }
    }

    #[test]
    fn what_was_learnt_fades_as_time_goes() {
        for (seconds, alpha) in [(1, 0.095), (5, 0.393), (10, 0.632)] {
            let next = worth(0.1).observe(&outcome(200, 0), after(seconds), DECAY);
            assert!((next.value - 0.1 * (1.0 - alpha)).abs() < 1e-4, "{next:?}");
            let now = worth(0.1).now(after(seconds), DECAY);
            assert!((now - 0.1 * (1.0 - alpha)).abs() < 1e-4, "{now}");
        }
    }

    #[test]
    fn a_longer_answer_counts_at_once_and_load_multiplies() {
        let fresh = Ewma::new(after(0));
        assert_eq!(fresh.cost(0, after(0), DECAY), 0.030);
        assert_eq!(fresh.cost(3, after(0), DECAY), 0.120);
        let slow = fresh.observe(&outcome(200, 500), after(0), DECAY);
        assert_eq!(slow.value, 0.5);
    }

    #[test]
    fn one_that_has_long_been_idle_is_not_free() {
        let cost = worth(0.1).cost(1, after(3600), DECAY);
        assert_eq!(cost, 2.0 * FLOOR_SECONDS);
    }

    #[test]
    fn failing_fast_costs_more_than_any_answer_did() {
        for status in [429, 500, 503] {
            let failing = worth(3.0).observe(&outcome(status, 1), after(0), DECAY);
            assert_eq!(failing.value, 4.0, "{status}");
        }
        let mut failing = worth(0.01);
        for _ in 0..200 {
            failing = failing.observe(&outcome(503, 1), after(0), DECAY);
        }
        assert_eq!(failing.value, MAX_SECONDS);
        let not_found = worth(0.01).observe(&outcome(404, 1), after(0), DECAY);
        assert!(not_found.value <= 0.01);
    }

    #[test]
    fn a_client_that_went_away_changes_nothing() {
        let abandoned = Outcome {
            end: End::Abandoned,
            took: Duration::from_secs(5),
        };
        assert_eq!(worth(0.1).observe(&abandoned, after(1), DECAY), worth(0.1));
    }
}

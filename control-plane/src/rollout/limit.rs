//! What a canary has to live up to.

use gatewright_proto::v1::{Rollout, RolloutAnalysis};

use super::tally::{Pair, Tally};

/// What a canary has to live up to, with defaults.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) interval_ms: i64,
    pub(super) max_wait_ms: i64,
    min_requests: u64,
    max_error_percent: Option<f64>,
    max_increase: Option<f64>,
    max_p99_ms: Option<f64>,
    max_p99_ratio: Option<f64>,
}

/// What is to be said of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing yet, and why.
    Unknown(String),
    /// It lives up to it.
    Good,
    /// It does not, and why.
    Bad(String),
}

impl Limits {
    pub(super) fn of(rollout: &Rollout) -> Self {
        let blank = RolloutAnalysis::default();
        let given = rollout.analysis.as_ref().unwrap_or(&blank);
        let increase = match given.max_error_rate_percent {
            None => given.max_error_increase_percent.or(Some(1.0)),
            Some(_) => given.max_error_increase_percent,
        };
        Self {
            interval_ms: given.interval_ms.unwrap_or(10_000).into(),
            max_wait_ms: given.max_wait_ms.unwrap_or(600_000).into(),
            min_requests: given.min_requests.unwrap_or(100).into(),
            max_error_percent: given.max_error_rate_percent,
            max_increase: increase,
            max_p99_ms: given.max_p99_ms.map(f64::from),
            max_p99_ratio: given.max_p99_ratio,
        }
    }

    /// Judges a canary by what was seen in a time. Where the baseline had too few requests in it, by `before`: what
    /// was seen of the baseline since the rollout began.
    pub(super) fn judge(&self, seen: &Pair, before: &Tally) -> Verdict {
        let (canary, least) = (&seen.canary, self.min_requests);
        if canary.requests < least {
            let had = canary.requests;
            return Verdict::Unknown(format!("the canary had {had} of {least} requests"));
        }
        let baseline = match seen.baseline.requests >= least {
            true => &seen.baseline,
            false => before,
        };
        if let Some(reason) = self.errors(canary, baseline) {
            return Verdict::Bad(reason);
        }
        self.latencies(canary, baseline)
    }

    /// What is wrong with the share of errors. A baseline without requests had none.
    fn errors(&self, canary: &Tally, baseline: &Tally) -> Option<String> {
        let (mine, its) = (canary.error_percent(), baseline.error_percent());
        if let Some(most) = self.max_error_percent.filter(|most| mine > *most) {
            return Some(format!("error rate {mine:.1} %, above {most} %"));
        }
        self.max_increase.filter(|most| mine > its + most)?;
        Some(format!(
            "error rate {mine:.1} % against {its:.1} % of the baseline"
        ))
    }

    fn latencies(&self, canary: &Tally, baseline: &Tally) -> Verdict {
        if self.max_p99_ms.is_none() && self.max_p99_ratio.is_none() {
            return Verdict::Good;
        }
        let Some(mine) = canary.p99_ms() else {
            return Verdict::Unknown("nodes tell no latencies of the canary".to_owned());
        };
        if let Some(most) = self.max_p99_ms.filter(|most| mine > *most) {
            return Verdict::Bad(format!("p99 {mine:.0} ms, above {most} ms"));
        }
        let Some(most) = self.max_p99_ratio else {
            return Verdict::Good;
        };
        let Some(its) = baseline.p99_ms() else {
            let reason = "the baseline had no requests to compare latencies with";
            return Verdict::Unknown(reason.to_owned());
        };
        match mine > its * most {
            true => Verdict::Bad(format!(
                "p99 {mine:.1} ms against {its:.1} ms of the baseline"
            )),
            false => Verdict::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_proto::latency::range_of;
    use serde_json::{Value, json};

    use super::{Limits, Verdict};
    use crate::rollout::tally::{Pair, Tally};

    fn limits(analysis: &Value) -> Limits {
        let value = json!({"name": "r", "analysis": analysis});
        Limits::of(&serde_json::from_value(value).unwrap())
    }

    fn tally(requests: u64, errors: u64, ms: u64) -> Tally {
        let range = u32::try_from(range_of(ms * 1000)).unwrap();
        Tally {
            requests,
            errors,
            latency: [(range, requests)].into_iter().collect(),
        }
    }

    fn judge(analysis: &Value, canary: Tally, baseline: Tally) -> Verdict {
        let before = tally(1000, 5, 10);
        limits(analysis).judge(&Pair { canary, baseline }, &before)
    }

    fn bad(reason: &str) -> Verdict {
        Verdict::Bad(reason.to_owned())
    }

    #[test]
    fn a_canary_may_fail_a_percentage_point_more_often_than_the_baseline() {
        let judge = |errors| judge(&json!({}), tally(1000, errors, 1), tally(1000, 3, 1));
        assert_eq!(judge(13), Verdict::Good);
        let reason = "error rate 12.4 % against 0.3 % of the baseline";
        assert_eq!(judge(124), bad(reason));
    }

    #[test]
    fn nothing_is_said_of_too_few_requests() {
        let few = judge(&json!({}), tally(99, 99, 1), tally(1000, 0, 1));
        let reason = "the canary had 99 of 100 requests";
        assert_eq!(few, Verdict::Unknown(reason.to_owned()));
        let enough = json!({"min_requests": 10});
        let judged = judge(&enough, tally(99, 99, 1), tally(1000, 0, 1));
        assert!(matches!(judged, Verdict::Bad(_)), "{judged:?}");
    }

    #[test]
    fn where_the_baseline_has_too_few_requests_it_is_what_it_was() {
        let judge = |errors| judge(&json!({}), tally(1000, errors, 1), tally(2, 2, 1));
        assert_eq!(judge(15), Verdict::Good);
        assert!(matches!(judge(16), Verdict::Bad(_)));
    }

    #[test]
    fn a_limit_on_errors_alone_does_not_compare() {
        let most = json!({"max_error_rate_percent": 5.0});
        let judge = |errors| judge(&most, tally(1000, errors, 1), tally(1000, 0, 1));
        assert_eq!(judge(50), Verdict::Good);
        assert_eq!(judge(51), bad("error rate 5.1 %, above 5 %"));
    }

    #[test]
    fn latencies_have_a_limit_of_their_own_and_one_against_the_baseline() {
        let slow = |analysis| judge(&analysis, tally(1000, 0, 900), tally(1000, 0, 100));
        assert_eq!(slow(json!({})), Verdict::Good);
        assert_eq!(slow(json!({"max_p99_ms": 1000})), Verdict::Good);
        let over = slow(json!({"max_p99_ms": 500}));
        assert!(
            matches!(&over, Verdict::Bad(it) if it.ends_with("above 500 ms")),
            "{over:?}"
        );
        assert_eq!(slow(json!({"max_p99_ratio": 12.0})), Verdict::Good);
        let over = slow(json!({"max_p99_ratio": 4.0}));
        assert!(
            matches!(&over, Verdict::Bad(it) if it.starts_with("p99 9")),
            "{over:?}"
        );
    }

    #[test]
    fn nothing_is_said_of_latencies_that_nobody_tells() {
        let untold = || Tally {
            requests: 1000,
            ..Tally::default()
        };
        let ratio = json!({"max_p99_ratio": 2.0});
        let judged = judge(&ratio, untold(), tally(1000, 0, 1));
        assert!(matches!(judged, Verdict::Unknown(_)), "{judged:?}");
        let judged = judge(&ratio, tally(1000, 0, 1), untold());
        assert!(matches!(judged, Verdict::Unknown(_)), "{judged:?}");
    }
}

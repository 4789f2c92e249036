//! What holds where nothing is written: what the pages in `docs/` say.

use std::time::Duration;

use gatewright_proto::{Kind, v1::Balancer};
use serde_json::{Value, json};

use super::set;
use crate::{
    Snapshot, compile,
    health::{
        outlier::OutlierDetection,
        rate::{FailurePercentage, SuccessRate},
    },
    plugin::Registry,
    retry::{Budget, RetryPolicy},
};

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// An upstream `u` and a service `s` with these fields.
fn compiled(mut service: Value, mut upstream: Value) -> Snapshot {
    service["name"] = json!("s");
    service["upstream"] = json!("u");
    upstream["name"] = json!("u");
    let resources = [(Kind::Service, service), (Kind::Upstream, upstream)];
    let compiled = compile(1, &set(&resources), &Registry::default(), None);
    assert!(compiled.errors.is_empty(), "{:?}", compiled.errors);
    compiled.snapshot
}

fn outlier(settings: &Value) -> OutlierDetection {
    let snapshot = compiled(json!({}), json!({"outlier_detection": settings}));
    snapshot.services[0]
        .upstream
        .health
        .outlier
        .clone()
        .unwrap()
}

#[test]
fn times_of_a_service() {
    let snapshot = compiled(json!({}), json!({}));
    let service = &snapshot.services[0];
    assert_eq!(service.connect_timeout_ms, 5_000);
    assert_eq!(service.request_timeout_ms, 15_000);
    assert_eq!(service.idle_timeout_ms, 300_000);
    assert_eq!(service.max_stream_duration_ms, 0, "none");
    assert!(service.hedge.is_none() && service.deadline.is_none());
}

#[test]
fn a_service_retries_what_no_target_has_seen_once_and_within_a_budget() {
    let bare = compiled(json!({}), json!({}));
    let empty = compiled(json!({"retry": {}}), json!({}));
    for snapshot in [bare, empty] {
        let retry = &snapshot.services[0].retry;
        assert_eq!(
            format!("{retry:?}"),
            format!("{:?}", RetryPolicy::default())
        );
        assert_eq!(retry.attempts, 1);
        assert_eq!(
            (retry.per_try_timeout, retry.per_try_idle_timeout),
            (None, None)
        );
        assert_eq!((retry.backoff.base, retry.backoff.max), (ms(25), ms(250)));
        assert_eq!(retry.max_body_bytes, 64 * 1024);
        let Budget { percent, min } = retry.budget;
        assert_eq!((percent, min), (20, 3));
        assert!(retry.respect_retry_after && !retry.attempt_count);
    }
}

#[test]
fn an_upstream_takes_the_less_loaded_of_two_and_panics_at_half() {
    let snapshot = compiled(json!({}), json!({}));
    let balance = &snapshot.services[0].upstream.balance;
    assert_eq!(balance.balancer, Balancer::LeastRequest);
    assert_eq!(balance.choice_count, 2);
    assert_eq!(balance.ewma_decay, ms(10_000));
    assert_eq!(balance.panic_threshold_percent, 50);
    assert_eq!(balance.overprovisioning_percent, 140);
    assert!(balance.session.is_none() && balance.slow_start.is_none());
    assert_eq!(balance.hash_balance_percent, None);
}

#[test]
fn outlier_detection_is_on_and_spares_half() {
    let settings = outlier(&json!({}));
    let limits = &settings.limits;
    assert_eq!((limits.server, limits.gateway, limits.local), (5, 0, 5));
    assert!(!limits.split && limits.within.is_none());
    assert!(settings.success_rate.is_none() && settings.failure_percentage.is_none());
    let terms = &settings.terms;
    assert_eq!((terms.base, terms.longest), (ms(30_000), ms(300_000)));
    assert_eq!((terms.jitter, terms.interval), (ms(0), ms(10_000)));
    assert_eq!((terms.most_percent, terms.always_one), (50, true));
    assert!(settings.readmit_by_check && !settings.probe);
    let rates = outlier(&json!({"success_rate": {}, "failure_percentage": {}}));
    let rate = SuccessRate {
        min_hosts: 5,
        min_requests: 100,
        deviation_permille: 1900,
    };
    let percentage = FailurePercentage {
        threshold_percent: 85,
        min_hosts: 5,
        min_requests: 50,
    };
    assert_eq!(rates.success_rate, Some(rate));
    assert_eq!(rates.failure_percentage, Some(percentage));
}

#[test]
fn a_health_check_asks_every_five_seconds() {
    let snapshot = compiled(json!({}), json!({"health_check": {"tcp": {}}}));
    let check = snapshot.services[0].upstream.health.check.clone().unwrap();
    assert_eq!(check.timeout, ms(1000));
    assert_eq!(
        (check.thresholds.unhealthy, check.thresholds.healthy),
        (3, 2)
    );
    let pauses = check.pauses;
    assert_eq!((pauses.healthy, pauses.unhealthy), (ms(5000), ms(5000)));
    assert_eq!((pauses.no_traffic, pauses.jitter_percent), (ms(60_000), 10));
}

#[test]
fn what_protects_a_service_is_off_and_has_these_numbers_where_it_is_on() {
    let bare = compiled(json!({}), json!({}));
    let guard = &bare.services[0].guard;
    assert!(guard.breaker.is_none() && guard.concurrency.is_none());
    assert!(guard.admission.is_none() && guard.limits.is_none());
    let all = json!({"concurrency": {}, "admission": {}, "breaker": {}});
    let snapshot = compiled(all, json!({}));
    let guard = &snapshot.services[0].guard;
    let gradient = &guard.concurrency.as_ref().unwrap().settings;
    assert_eq!((gradient.min_limit, gradient.max_limit), (3, 1000));
    assert_eq!((gradient.initial_limit, gradient.buffer_percent), (100, 25));
    assert_eq!(gradient.update_interval, ms(100));
    assert_eq!(
        (gradient.baseline_interval, gradient.pinned),
        (ms(60_000), false)
    );
    let admission = &guard.admission.as_ref().unwrap().settings;
    assert_eq!((admission.success_share, admission.max_share), (0.95, 0.8));
    assert_eq!((admission.aggression, admission.min_per_second), (1.0, 0));
    let breaker = &guard.breaker.as_ref().unwrap().settings;
    assert_eq!((breaker.window, breaker.min_requests), (ms(10_000), 20));
    assert_eq!((breaker.error_percent, breaker.probes), (50, 3));
    assert_eq!((breaker.open, breaker.max_open), (ms(5000), ms(60_000)));
}

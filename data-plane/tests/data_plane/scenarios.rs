//! Each way in which a target fails, from the first request that meets it to the first that it answers well again: what
//! clients see, how many requests reach which target, and when it is used again. `docs/resilience.md` has the table.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    fault::Fault,
    fleet::Fleet,
    gateway::{body, eventually},
    scene::{BROKEN_OFF, Scene, seen, toll},
};

/// A target that has been ejected for this fault is used again when its time is over, without an error.
async fn comes_back(fault: Fault, service: Value) {
    let short = json!({"outlier_detection": {"base_ejection_ms": 100}});
    let scene = Scene::with(fault, service, short).await;
    eventually("it is ejected", async || {
        scene.toll(3).await;
        scene.ejections("consecutive_5xx").await > 0
    })
    .await;
    scene.is_used_again().await;
}

/// Everything that a second attempt may help with is sent again, and nobody waits long.
fn retried() -> Value {
    let backoff = json!({"base_ms": 1, "max_ms": 1});
    json!({"retry": {"on": ["server_error"], "per_try_timeout_ms": 300, "backoff": backoff}})
}

#[tokio::test]
async fn a_target_that_refuses_costs_five_retries_and_no_error() {
    let scene = Scene::start(Fault::Refuse, json!({})).await;
    assert_eq!(scene.toll(30).await, toll(&[], 0, 30));
    assert_eq!(scene.retries("connect_failure").await, 5);
    assert_eq!(scene.ejections("consecutive_5xx").await, 1);
    comes_back(Fault::Refuse, json!({})).await;
}

#[tokio::test]
async fn a_target_that_resets_before_its_answer_costs_five_errors_or_with_retries_none() {
    let scene = Scene::start(Fault::ResetMidHead, json!({})).await;
    assert_eq!(scene.toll(30).await, toll(&[502; 5], 5, 25));
    for (fault, reached) in [(Fault::ResetAtOnce, 0), (Fault::ResetMidHead, 5)] {
        let scene = Scene::start(fault, retried()).await;
        assert_eq!(scene.toll(30).await, toll(&[], reached, 30));
        comes_back(fault, retried()).await;
    }
}

#[tokio::test]
async fn a_target_that_answers_with_garbage_costs_five_errors_or_with_retries_none() {
    let scene = Scene::start(Fault::Garbage, json!({})).await;
    assert_eq!(scene.toll(30).await, toll(&[502; 5], 5, 25));
    let scene = Scene::start(Fault::Garbage, retried()).await;
    assert_eq!(scene.toll(30).await, toll(&[], 5, 30));
    comes_back(Fault::Garbage, retried()).await;
}

#[tokio::test]
async fn a_target_that_hangs_costs_the_time_of_five_requests_or_of_five_attempts() {
    let impatient = json!({"request_timeout_ms": 300});
    let scene = Scene::start(Fault::Hang, impatient).await;
    assert_eq!(scene.toll(30).await, toll(&[504; 5], 5, 25));
    let scene = Scene::start(Fault::Hang, retried()).await;
    assert_eq!(scene.toll(30).await, toll(&[], 5, 30));
    assert_eq!(scene.retries("timeout").await, 5);
    comes_back(Fault::Hang, retried()).await;
}

#[tokio::test]
async fn a_target_that_answers_slowly_keeps_its_share_until_it_is_slower_than_an_attempt_may_be() {
    let slow = Fault::Slow(Duration::from_millis(20));
    let scene = Scene::start(slow, json!({})).await;
    assert_eq!(scene.toll(30).await, toll(&[], 10, 20));
    let too_slow = Fault::Slow(Duration::from_secs(5));
    let scene = Scene::start(too_slow, retried()).await;
    assert_eq!(scene.toll(30).await, toll(&[], 5, 30));
    comes_back(too_slow, retried()).await;
}

#[tokio::test]
async fn a_target_that_answers_slowly_gets_less_where_latency_is_looked_at() {
    let slow = Fault::Slow(Duration::from_millis(200));
    let scene = Scene::with(slow, json!({}), json!({"balancer": "peak_ewma"})).await;
    let toll = scene.toll(60).await;
    assert!(toll.failed.is_empty(), "{toll:?}");
    // Once it has answered it is taken only where both draws fall on it: 1 in 9, where its share would be 20.
    assert!(toll.failing < 20, "{toll:?}");
}

#[tokio::test]
async fn a_target_half_of_whose_answers_are_5xx_is_found_by_its_share_and_made_up_for_by_retries() {
    let scene = Scene::start(Fault::HalfStatus, json!({})).await;
    assert_eq!(scene.toll(30).await, toll(&[503; 5], 10, 20));
    assert_eq!(
        scene.ejections("consecutive_5xx").await,
        0,
        "never in a row"
    );
    scene.failing().set(Fault::None);
    assert_eq!(scene.toll(30).await, toll(&[], 10, 20));

    let scene = Scene::start(Fault::HalfStatus, retried()).await;
    assert_eq!(scene.toll(30).await, toll(&[], 10, 25));

    let share = json!({"threshold_percent": 50, "min_hosts": 3, "min_requests": 4});
    let outlier = json!({"failure_percentage": share, "interval_ms": 1000, "base_ejection_ms": "1h", "max_ejection_ms": "1h"});
    let by_share = json!({ "outlier_detection": outlier });
    let scene = Scene::with(Fault::HalfStatus, retried(), by_share).await;
    eventually("it is ejected", async || {
        scene.none_fails_of(12).await;
        scene.ejections("failure_percentage").await == 1
    })
    .await;
    assert_eq!(scene.toll(30).await, toll(&[], 0, 30));
}

#[tokio::test]
async fn a_target_that_flaps_costs_retries_while_it_is_down_and_serves_while_it_is_up() {
    let scene = Scene::start(Fault::None, json!({})).await;
    for _ in 0..6 {
        scene.failing().set(Fault::Refuse);
        assert_eq!(scene.toll(6).await, toll(&[], 0, 6));
        scene.failing().set(Fault::None);
        assert_eq!(scene.toll(6).await, toll(&[], 2, 4));
    }
    assert_eq!(scene.retries("connect_failure").await, 12);
    assert_eq!(scene.ejections("consecutive_5xx").await, 0);
}

#[tokio::test]
async fn a_target_that_flaps_is_left_out_where_failures_are_counted_whatever_is_in_between() {
    let count = json!({"count": 5, "within_ms": "1h"});
    let outlier =
        json!({"failure_count": count, "base_ejection_ms": "1h", "max_ejection_ms": "1h"});
    let flapping = json!({ "outlier_detection": outlier });
    let scene = Scene::with(Fault::None, json!({}), flapping).await;
    for round in 0..6 {
        scene.failing().set(Fault::Refuse);
        assert_eq!(scene.toll(6).await, toll(&[], 0, 6));
        scene.failing().set(Fault::None);
        let up = if round < 2 {
            toll(&[], 2, 4)
        } else {
            toll(&[], 0, 6)
        };
        assert_eq!(scene.toll(6).await, up);
    }
    assert_eq!(scene.retries("connect_failure").await, 5);
    assert_eq!(scene.ejections("failure_count").await, 1);
}

#[tokio::test]
async fn a_target_that_resets_mid_body_breaks_answers_off_until_a_check_reads_its_body() {
    let scene = Scene::start(Fault::ResetMidBody, json!({})).await;
    assert_eq!(scene.toll(30).await, toll(&[BROKEN_OFF; 10], 10, 20));
    scene.failing().set(Fault::None);
    assert_eq!(scene.toll(30).await, toll(&[], 10, 20));
    let scene = Scene::start(Fault::ResetMidBody, retried()).await;
    assert_eq!(scene.toll(30).await, toll(&[BROKEN_OFF; 10], 10, 20));

    let check = json!({"http": {"path": "/", "body_contains": "GET"}, "interval_ms": 100, "no_traffic_interval_ms": 100});
    let checked = json!({ "health_check": check });
    let scene = Scene::with(Fault::ResetMidBody, json!({}), checked).await;
    eventually("it is unhealthy", async || {
        scene.0.gateway.targets().await["t0"]["healthy"] == false
    })
    .await;
    scene.none_fails_of(12).await;
    scene.failing().set(Fault::None);
    eventually("it is healthy", async || {
        scene.0.gateway.targets().await["t0"]["healthy"] == true
    })
    .await;
    scene.none_fails_of(12).await;
}

#[tokio::test]
async fn a_target_that_closes_connections_that_had_been_idle_is_not_blamed() {
    let once = json!({"consecutive_5xx": 1, "base_ejection_ms": "1h"});
    let upstream = json!({ "outlier_detection": once });
    let scene = Scene::with(Fault::OneEach, json!({}), upstream).await;
    let toll = scene.toll(30).await;
    assert!(toll.failed.is_empty(), "{toll:?}");
    let closed = toll.failing + toll.well - 30;
    assert!(closed > 0, "no connection was used a second time");
    assert_eq!(scene.ejections("consecutive_5xx").await, 0);
}

#[tokio::test]
async fn the_only_target_is_used_however_it_fails_and_is_well_with_the_first_answer() {
    for (fault, expected, reached) in [
        (Fault::Refuse, 503, 0),
        (Fault::ResetMidHead, 502, 7),
        (Fault::ResetMidBody, BROKEN_OFF, 7),
        (Fault::Hang, 504, 7),
        (Fault::Status(500), 500, 7),
        (Fault::Garbage, 502, 7),
    ] {
        let fleet = Fleet::start(&[fault], json!({"request_timeout_ms": 200})).await;
        for _ in 0..7 {
            assert_eq!(seen(&fleet.send("GET", "").await), expected, "{fault:?}");
        }
        assert_eq!(fleet.total(), reached, "{fault:?}");
        fleet.targets[0].set(Fault::None);
        let answer = fleet.send("GET", "").await;
        assert_eq!(seen(&answer), 200, "{fault:?}");
        assert!(body(&answer).starts_with("GET / "), "{fault:?}: {answer}");
    }
}

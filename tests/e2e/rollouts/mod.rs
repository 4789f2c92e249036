//! Progressive rollouts: nodes count, control planes judge, routes change.

mod person;
mod planes;
mod stage;

use gatewright_tests::condition::eventually;
use serde_json::json;

use stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_starts_to_fail_is_rolled_back_within_an_interval_and_the_log_says_why() {
    let stage = Stage::start().await;
    let _traffic = stage.traffic();
    let steps = json!([{"percent": 50, "for_ms": "10m"}]);
    stage.begin(steps, json!({"interval_ms": 3000})).await;
    stage.runs_well().await;
    stage.new.answers(500);
    let failed_at = stage.status().await["analyses"].as_u64().unwrap();

    let status = stage.comes_to("rolled_back").await;
    // The next look may come before nodes have told of it; the one after that ends the first whole interval.
    let analyses = status["analyses"].as_u64().unwrap();
    assert!(analyses <= failed_at + 2, "{failed_at} {status}");
    let log = stage.admin().get("/v1/revisions?limit=1").await.json();
    let last = &log["items"][0];
    assert_eq!(last["author"], "gatewright");
    let comment = last["comment"].as_str().unwrap();
    assert!(
        comment.starts_with("rollout checkout: error rate "),
        "{comment}"
    );
    assert!(
        comment.ends_with(" % against 0.0 % of the baseline: rolled back"),
        "{comment}"
    );
    let event = status["events"].as_array().unwrap().last().unwrap();
    assert_eq!(event["revision"], last["revision"]);
    let route = stage.route().await;
    assert_eq!(
        (&route["service"], &route["split"]),
        (&json!("old"), &json!(null))
    );
    stage.nodes[0]
        .serves(last["revision"].as_u64().unwrap())
        .await;
    for _ in 0..20 {
        assert_eq!(stage.nodes[0].status("/").await, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_canary_is_promoted_step_by_step_to_the_end() {
    let stage = Stage::start().await;
    let traffic = stage.traffic();
    let steps = json!([{"percent": 20, "for_ms": "1s"}, {"percent": 60, "for_ms": "1s"}]);
    stage.begin(steps, json!({"max_p99_ratio": 1000.0})).await;
    let status = stage.comes_to("promoted").await;
    let expected = [
        "rollout checkout: step 1 of 2: 20 %",
        "rollout checkout: step 2 of 2: 60 %",
        "rollout checkout: all steps passed: promoted",
    ];
    assert_eq!(stage.written().await, expected);
    assert_eq!(status["percent"], 100, "{status}");
    let route = stage.route().await;
    assert_eq!(
        (&route["service"], &route["split"]),
        (&json!("new"), &json!(null))
    );
    traffic.ended_without_failure().await;
    eventually("its share is in the metrics", async || {
        let metrics = stage.admin().get("/metrics").await.text;
        let lines = [
            "gatewright_rollout_moves_total{phase=\"promoted\"} 1",
            "gatewright_rollout_percent{rollout=\"checkout\",phase=\"promoted\"} 100",
        ];
        lines.iter().all(|line| metrics.contains(line))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_too_slow_is_rolled_back() {
    let stage = Stage::start().await;
    let _traffic = stage.traffic();
    let steps = json!([{"percent": 50, "for_ms": "10m"}]);
    stage
        .begin(steps, json!({"max_p99_ms": 1000, "min_requests": 5}))
        .await;
    stage.runs_well().await;
    stage.new.takes(1500);
    let status = stage.comes_to("rolled_back").await;
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.starts_with("p99 "), "{reason}");
    assert!(
        reason.ends_with(" ms, above 1000 ms: rolled back"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_whose_failures_a_fallback_hides_is_rolled_back_all_the_same() {
    for stand_in in [
        json!({"answer": {"status": 200}}),
        json!({"service": "old"}),
    ] {
        let stage = Stage::start().await;
        let traffic = stage.traffic();
        let mut fallback = stand_in;
        fallback["statuses"] = json!([500]);
        let admin = stage.admin();
        let mut service = admin.get("/v1/services/new").await.json();
        service["fallback"] = fallback;
        admin.put("/v1/services/new?wait=5s", &service).await;
        let steps = json!([{"percent": 50, "for_ms": "10m"}]);
        stage.begin(steps, json!({})).await;
        stage.runs_well().await;
        stage.new.answers(500);
        let status = stage.comes_to("rolled_back").await;
        assert!(
            status["reason"].as_str().unwrap().starts_with("error rate"),
            "{status}"
        );
        traffic.ended_without_failure().await;
    }
}

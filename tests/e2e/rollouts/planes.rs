//! Several control planes, and one after the other.

use gatewright_tests::{control_plane::TestControlPlane, database::Postgres};
use serde_json::json;

use super::stage::Stage;

async fn analyses(plane: &TestControlPlane) -> u64 {
    plane.counter("gatewright_rollout_analyses_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_control_planes_exactly_one_acts_at_a_time_on_what_the_nodes_of_both_tell() {
    let database = Postgres::create().await;
    let stage = Stage::on(&database.url(), 2, tempfile::tempdir().unwrap()).await;
    let traffic = stage.traffic();
    let steps = [20, 40, 60].map(|percent| json!({"percent": percent, "for_ms": "1s"}));
    stage.begin(json!(steps), json!({})).await;
    let status = stage.comes_to("promoted").await;
    let expected = [
        "rollout checkout: step 1 of 3: 20 %",
        "rollout checkout: step 2 of 3: 40 %",
        "rollout checkout: step 3 of 3: 60 %",
        "rollout checkout: all steps passed: promoted",
    ];
    assert_eq!(stage.written().await, expected);
    let both = analyses(&stage.planes[0]).await + analyses(&stage.planes[1]).await;
    assert_eq!(
        status["analyses"], both,
        "what one of them saw was lost: {status}"
    );
    traffic.ended_without_failure().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_control_plane_is_killed_the_other_one_goes_on() {
    let database = Postgres::create().await;
    let mut stage = Stage::on(&database.url(), 2, tempfile::tempdir().unwrap()).await;
    let _traffic = stage.traffic();
    let steps = json!([{"percent": 50, "for_ms": "10m"}]);
    stage.begin(steps, json!({})).await;
    stage.runs_well().await;
    // The one that acts.
    let acting = async || analyses(&stage.planes[0]).await > analyses(&stage.planes[1]).await;
    let place = usize::from(!acting().await);
    stage.planes.remove(place).kill();
    stage.new.answers(503);
    stage.comes_to("rolled_back").await;
    let written = stage.written().await;
    assert_eq!(written.len(), 2, "{written:?}");
    assert!(written[1].ends_with("rolled back"), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_that_starts_goes_on_where_another_one_stopped() {
    let database = Postgres::create().await;
    let mut stage = Stage::on(&database.url(), 1, tempfile::tempdir().unwrap()).await;
    let steps = json!([{"percent": 50, "for_ms": "10m"}]);
    let traffic = stage.traffic();
    stage.begin(steps, json!({})).await;
    stage.runs_well().await;
    stage.planes.remove(0).stop().await;
    traffic.goes_on(20).await;
    stage
        .planes
        .push(TestControlPlane::start(&database.url()).await);
    // It sees no node, and therefore no request, but knows what was seen.
    let status = stage.status().await;
    assert_eq!(status["phase"], "running", "{status}");
    assert!(
        status["seen"]["canary"]["requests"].as_u64().unwrap() >= 50,
        "{status}"
    );
    let promoted = stage
        .admin()
        .send(
            reqwest::Method::POST,
            "/v1/rollouts/checkout/promote",
            &json!({}),
        )
        .await;
    assert_eq!(promoted.json()["phase"], "promoted", "{promoted:?}");
    assert_eq!(stage.written().await.len(), 2);
    traffic.ended_without_failure().await;
}

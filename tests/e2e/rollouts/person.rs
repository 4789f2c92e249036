//! What persons want of a rollout, and of its route.

use gatewright_tests::http::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::Stage;

async fn ask(stage: &Stage, action: &str) -> Answer {
    let path = format!("/v1/rollouts/checkout/{action}");
    let request = stage.admin().request(Method::POST, &path);
    let request = request.header("gatewright-comment", "as agreed");
    Answer::to(request).await.unwrap()
}

async fn done(stage: &Stage, action: &str) -> Value {
    let answer = ask(stage, action).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn long() -> Value {
    json!([{"percent": 50, "for_ms": "10m"}, {"percent": 90}])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_change_of_the_split_wins() {
    let stage = Stage::start().await;
    let traffic = stage.traffic();
    stage.begin(long(), json!({})).await;
    stage.runs_well().await;
    // Something else of the route is nobody's business.
    let mut route = stage.route().await;
    route["labels"] = json!({"team": "shop"});
    stage.admin().put("/v1/routes/checkout", &route).await;
    stage.runs_well().await;
    route["split"]["backends"][1]["weight"] = json!(7);
    stage.admin().put("/v1/routes/checkout", &route).await;

    let status = stage.comes_to("superseded").await;
    let reason = "somebody else changed the split of route `checkout`";
    assert_eq!(status["reason"], reason);
    stage.new.answers(500);
    assert_eq!(stage.written().await.len(), 1, "only the first step");
    assert_eq!(stage.route().await, route);
    drop(traffic);
    assert_eq!(done(&stage, "resume").await["phase"], "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pauses_resumes_aborts_begins_anew_and_promotes() {
    let stage = Stage::start().await;
    let _traffic = stage.traffic();
    stage.begin(long(), json!({})).await;
    stage.comes_to("running").await;
    assert_eq!(done(&stage, "pause").await["phase"], "paused");
    let twice = ask(&stage, "pause").await.problem(409, "not_now");
    assert_eq!(twice["message"], "rollout `checkout` is paused");
    assert_eq!(done(&stage, "resume").await["phase"], "running");
    let aborted = done(&stage, "abort?wait=5s").await;
    assert_eq!(
        (&aborted["phase"], &aborted["percent"]),
        (&json!("aborted"), &json!(0))
    );
    assert_eq!(stage.route().await["service"], "old");
    assert_eq!(done(&stage, "resume").await["phase"], "running");
    let promoted = done(&stage, "promote").await;
    assert_eq!(
        (&promoted["phase"], &promoted["percent"]),
        (&json!("promoted"), &json!(100))
    );
    ask(&stage, "resume").await.problem(409, "not_now");
    let expected = [
        "rollout checkout: step 1 of 2: 50 %",
        "rollout checkout: aborted by admin: as agreed",
        "rollout checkout: step 1 of 2: 50 %",
        "rollout checkout: promoted by admin: as agreed",
    ];
    assert_eq!(stage.written().await, expected);
    let audit = stage
        .admin()
        .get("/v1/audit?resource=rollout/checkout")
        .await
        .json();
    let items = audit["items"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = items
        .rev()
        .map(|it| it["outcome"].as_str().unwrap())
        .collect();
    let accepted = [
        "accepted", "not_now", "accepted", "accepted", "accepted", "accepted", "not_now",
    ];
    assert_eq!(
        outcomes[1..],
        accepted,
        "after the write of the rollout itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_no_rollout_or_a_disabled_one_is_refused() {
    let stage = Stage::start().await;
    ask(&stage, "pause").await.problem(404, "not_found");
    stage.begin(long(), json!({})).await;
    ask(&stage, "stop").await.problem(404, "unknown_path");
    stage.comes_to("running").await;
    let path = "/v1/rollouts/checkout";
    let mut rollout = stage.admin().get(path).await.json();
    rollout["enabled"] = json!(false);
    stage.admin().put(path, &rollout).await;
    ask(&stage, "abort").await.problem(409, "not_now");
    assert_eq!(stage.status().await["phase"], "running", "it stands still");
    rollout["enabled"] = json!(true);
    stage.admin().put(path, &rollout).await;
    assert_eq!(done(&stage, "abort").await["phase"], "aborted");
    // Another one of this name begins anew.
    rollout["steps"] = json!([{"percent": 3}]);
    stage.admin().put(path, &rollout).await;
    assert_eq!(stage.comes_to("running").await["percent"], 3);
}

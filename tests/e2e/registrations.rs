//! Targets that register themselves, over sockets and on several control planes.

use gatewright_tests::{
    condition::eventually,
    control_plane::TestControlPlane,
    database::Postgres,
    node::TestNode,
    traffic::Traffic,
    upstream::{Upstream, route},
};
use reqwest::Method;
use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "upstreams": [{"name": "pool"}],
        "services": [{"name": "echo", "upstream": "pool"}],
        "routes": [route("base", "/base")],
    })
}

fn one(instance: &str) -> String {
    format!("/v1/upstreams/pool/registrations/{instance}")
}

async fn instances(control_plane: &TestControlPlane) -> Vec<String> {
    let listed = control_plane
        .admin
        .get("/v1/upstreams/pool/registrations")
        .await
        .json();
    let items = listed["items"].as_array().unwrap().iter();
    items
        .map(|it| it["instance"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_instances_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let admin = &control_plane.admin;
    admin.apply(&document()).await;
    let mut upstream = Upstream::start().await;
    let body = |upstream: &Upstream| json!({"address": upstream.address.to_string()});
    let revision = admin.put(&one("i0"), &body(&upstream)).await;
    let node = TestNode::start("node", &[control_plane.url()], dir.path()).await;
    node.serves(revision).await;
    let traffic = Traffic::start([node.running.http, node.running.http], "/base");
    traffic.goes_on(50).await;
    for number in 1..6 {
        let next = Upstream::start().await;
        let joined = format!("{}?wait=10s", one(&format!("i{number}")));
        admin.put(&joined, &body(&next)).await;
        traffic.goes_on(20).await;
        let left = format!("{}?wait=10s", one(&format!("i{}", number - 1)));
        admin.delete(&left).await;
        // No node sends to it any more: it may go as soon as it has answered what it has.
        traffic.goes_on(4).await;
        upstream = next;
        traffic.goes_on(20).await;
    }
    traffic.ended_without_failure().await;
    drop(upstream);
    let metrics = admin.get("/metrics").await.text;
    for line in [
        "gatewright_registrations_joined_total 6",
        "gatewright_registrations_left_total 5",
        "gatewright_registrations{upstream=\"pool\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

/// Of two instances one falls silent. The other is heard by either control plane in turn.
async fn one_of_two_falls_silent(url: &str) {
    let planes = [
        TestControlPlane::start(url).await,
        TestControlPlane::start(url).await,
    ];
    planes[0].admin.apply(&document()).await;
    for instance in ["silent", "alive"] {
        let body = json!({"address": "127.0.0.1:1", "ttl_ms": 1000});
        planes[0].admin.put(&one(instance), &body).await;
    }
    let revision = planes[0].admin.get("/v1/export").await.revision;
    for plane in &planes {
        eventually("both are there", async || instances(plane).await.len() == 2).await;
    }
    let mut turn = 0;
    eventually("the silent one is gone", async || {
        turn += 1;
        let beats = json!({"instances": ["alive"]});
        let path = "/v1/upstreams/pool/heartbeats";
        let answer = planes[turn % 2]
            .admin
            .send(Method::POST, path, &beats)
            .await;
        assert_eq!(answer.json(), json!({"unknown": []}), "{answer:?}");
        instances(&planes[0]).await.len() == 1
    })
    .await;
    assert_eq!(instances(&planes[0]).await, ["alive"]);
    let export = planes[1].admin.get("/v1/export").await;
    assert_eq!(export.revision, revision + 1);
    let audit = planes[1].admin.get("/v1/audit?limit=1").await.json();
    assert_eq!(audit["items"][0]["action"], "expiry", "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_falls_silent_is_gone_and_who_is_heard_by_either_control_plane_stays_on_postgres() {
    let database = Postgres::create().await;
    one_of_two_falls_silent(&database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_falls_silent_is_gone_and_who_is_heard_by_either_control_plane_stays_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    one_of_two_falls_silent(&format!("sqlite:{}", dir.path().join("store.db").display())).await;
}

//! A node that is older than what it is sent.

use gatewright_engine::plugin::Registry;
use gatewright_tests::{
    control_plane::TestControlPlane,
    node::TestNode,
    upstream::{Upstream, route},
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_node_refuses_is_named_and_closed_and_the_rest_is_served() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let admin = &control_plane.admin;
    let urls = [control_plane.url()];
    let older = Registry::without(&["rate-limit"]);
    let older = TestNode::start_with("older", &urls, dir.path(), older).await;
    let present = TestNode::start("present", &urls, dir.path()).await;
    control_plane.followed_by(2, 0).await;
    admin
        .apply(&json!({"services": [upstream.service()]}))
        .await;

    let document = json!({
        "routes": [route("open", "/open"), route("limited", "/limited")],
        "plugins": [{"name": "limit", "type": "rate-limit", "attach": {"route": "limited"},
            "settings": {"limits": [{"requests": 1000, "per": "10s"}], "key": "client_address"}}],
    });
    admin.apply(&document).await;

    assert_eq!(older.status("/open").await, 200);
    assert_eq!(older.status("/limited").await, 500);
    assert_eq!(present.status("/limited").await, 200);
    let rejects = rejects(&admin.get("/v1/nodes").await.json(), "older");
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert_eq!(rejects[0]["resource"], "plugin/limit");
    assert_eq!(rejects[0]["field"], "type");
    assert_eq!(rejects[0]["code"], "unknown_plugin");

    admin.delete("/v1/plugins/limit?wait=5s").await;
    assert_eq!(older.status("/limited").await, 200);
    let nodes = admin.get("/v1/nodes").await.json();
    assert!(self::rejects(&nodes, "older").is_empty(), "{nodes}");
}

fn rejects(nodes: &Value, name: &str) -> Vec<Value> {
    let mut nodes = nodes["items"].as_array().unwrap().iter();
    let node = nodes.find(|it| it["node_id"] == name).unwrap();
    node["rejects"].as_array().unwrap().clone()
}

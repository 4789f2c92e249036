//! Targets that are not healthy, from their settings to what the admin API tells of them.

use gatewright_tests::{
    condition::eventually, control_plane::TestControlPlane, node::TestNode, upstream::Upstream,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_api_tells_which_target_of_a_node_is_unhealthy_and_why() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let node = TestNode::start("node", &[control_plane.url()], dir.path()).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let target = |name, address| json!({"name": name, "upstream": "pool", "address": address});
    let document = json!({
        "upstreams": [{"name": "pool", "health_check": {"http": {"path": "/"}, "timeout_ms": "10s"}}],
        "targets": [target("alive", upstream.address), target("dead", nobody)],
        "services": [{"name": "s", "upstream": "pool"}],
        "routes": [{"name": "r", "service": "s"}],
    });
    let revision = control_plane.admin.apply(&document).await;
    control_plane.followed_by(1, revision).await;
    let told = async || {
        let node = control_plane.admin.get("/v1/nodes/node").await.json();
        let targets = node["facts"]["targets"].as_array().cloned();
        let targets = targets.unwrap_or_default();
        let row = |name| targets.iter().find(|it| it["target"] == name);
        let refused = |reason: &str| reason.contains("cannot connect");
        row("alive").is_some_and(|it| it["healthy"] == true)
            && row("dead").is_some_and(|it| {
                it["healthy"] == false && it["reason"].as_str().is_some_and(refused)
            })
    };
    eventually("one is healthy and one is not", told).await;
    for _ in 0..4 {
        assert_eq!(node.status("/").await, 200);
    }
}

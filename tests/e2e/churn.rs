//! The configuration changes under traffic.

use gatewright_tests::{
    control_plane::TestControlPlane,
    node::TestNode,
    traffic::Traffic,
    upstream::{Upstream, route},
};
use serde_json::json;

const ROUTES: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_500_routes_are_added_changed_and_removed() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let admin = &control_plane.admin;
    let document = json!({"services": [upstream.service()], "routes": [route("base", "/base")]});
    let revision = admin.apply(&document).await;
    let node = TestNode::start("node", &[control_plane.url()], dir.path()).await;
    node.serves(revision).await;
    let traffic = Traffic::start([node.running.http, node.running.http], "/base");
    traffic.goes_on(50).await;

    for prefix in ["added", "changed"] {
        for number in 0..ROUTES {
            let (name, path) = (format!("r-{number}"), format!("/{prefix}/{number}"));
            let resource = format!("/v1/routes/{name}");
            admin.put(&resource, &route(&name, &path)).await;
        }
    }
    node.serves(admin.get("/v1/export").await.revision).await;
    assert_eq!(node.status("/added/0").await, 404);
    assert_eq!(node.status("/changed/499").await, 200);
    for number in 0..ROUTES {
        admin.delete(&format!("/v1/routes/r-{number}")).await;
    }
    node.serves(admin.get("/v1/export").await.revision).await;
    assert_eq!(node.status("/changed/499").await, 404);
    assert_eq!(node.config().await["routes"], 1);

    traffic.goes_on(50).await;
    traffic.ended_without_failure().await;
}

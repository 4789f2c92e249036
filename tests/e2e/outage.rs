//! Everything but nodes and upstreams is gone.

use gatewright_tests::{
    control_plane::TestControlPlane,
    database::Postgres,
    node::TestNode,
    traffic::Traffic,
    upstream::{Upstream, route},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn traffic_goes_on_and_a_node_can_restart_without_control_planes_and_database() {
    let (database, upstream) = (Postgres::create().await, Upstream::start().await);
    let dir = tempfile::tempdir().unwrap();
    let first = TestControlPlane::start(&database.url()).await;
    let second = TestControlPlane::start(&database.url()).await;
    let urls = [first.url(), second.url()];
    let document = json!({"services": [upstream.service()], "routes": [route("base", "/base")]});
    let revision = first.admin.apply(&document).await;
    let serving = TestNode::start("serving", &urls, dir.path()).await;
    let restarted = TestNode::start("restarted", &urls, dir.path()).await;
    serving.serves(revision).await;
    restarted.serves(revision).await;
    let traffic = Traffic::start([serving.running.http], "/base");
    traffic.goes_on(50).await;

    first.stop().await;
    second.stop().await;
    database.lose().await;
    restarted.stop().await;
    let restarted = TestNode::start("restarted", &urls, dir.path()).await;

    assert_eq!(restarted.status("/base").await, 200);
    assert_eq!(restarted.status("/other").await, 404);
    restarted.serves(revision).await;
    traffic.goes_on(200).await;
    traffic.ended_without_failure().await;
}

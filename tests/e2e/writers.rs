//! Many writers at a time.

use futures_util::future::join_all;
use gatewright_tests::{
    control_plane::TestControlPlane,
    node::TestNode,
    upstream::{Upstream, route},
};
use serde_json::json;

const WRITERS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn after_50_writers_at_a_time_every_node_serves_what_the_export_says() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let admin = &control_plane.admin;
    admin
        .apply(&json!({"services": [upstream.service()]}))
        .await;
    let urls = [control_plane.url()];
    let nodes = [
        TestNode::start("node-0", &urls, dir.path()).await,
        TestNode::start("node-1", &urls, dir.path()).await,
    ];

    let write = async |writer: usize| {
        let (name, path) = (format!("own-{writer}"), format!("/own/{writer}"));
        let own = route(&name, &path);
        admin.put(&format!("/v1/routes/{name}"), &own).await;
        let shared = route("shared", &format!("/shared/{writer}"));
        admin.put("/v1/routes/shared", &shared).await;
    };
    join_all((0..WRITERS).map(write)).await;

    let export = admin.get("/v1/export").await;
    let exported = export.json();
    let routes = exported["routes"].as_array().unwrap();
    assert_eq!(routes.len(), WRITERS + 1);
    let shared = routes.iter().find(|it| it["name"] == "shared").unwrap();
    let winner = shared["paths"][0]["prefix"].as_str().unwrap();
    for node in &nodes {
        node.serves(export.revision).await;
        assert_eq!(node.config().await["routes"], routes.len());
        for route in routes {
            let path = route["paths"][0]["prefix"].as_str().unwrap();
            assert_eq!(node.status(path).await, 200, "{path}");
        }
        for writer in 0..WRITERS {
            let path = format!("/shared/{writer}");
            let expected = if path == winner { 200 } else { 404 };
            assert_eq!(node.status(&path).await, expected, "{path}, not {winner}");
        }
    }
}

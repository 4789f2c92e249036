//! A credential that is revoked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gatewright_tests::{
    condition::eventually,
    control_plane::TestControlPlane,
    http::{Answer, client},
    node::TestNode,
    upstream::{Upstream, route},
};
use reqwest::Method;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Clients of each node.
const CLIENTS: usize = 4;
/// After this time nobody is let through.
const REVOKED_AFTER: Duration = Duration::from_secs(1);

/// When each request began, and what it was answered.
type Seen = Arc<Mutex<Vec<(Instant, u16)>>>;

async fn ask(node: SocketAddr, key: String, seen: Seen, stop: CancellationToken) {
    let client = client();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let request = client
            .get(format!("http://{node}/a"))
            .header("x-api-key", &key);
        let answer = Answer::to(request).await.unwrap();
        seen.lock().unwrap().push((began, answer.status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_after_a_credential_is_revoked_under_load_no_node_lets_it_through() {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let admin = &control_plane.admin;
    let mut nodes = Vec::new();
    for name in ["one", "two", "three"] {
        nodes.push(TestNode::start(name, &[control_plane.url()], dir.path()).await);
    }
    control_plane.followed_by(3, 0).await;
    let document = json!({
        "services": [upstream.service()], "routes": [route("a", "/a")], "consumers": [{"name": "c"}],
        "plugins": [{"name": "key", "type": "key-auth", "attach": {"global": true}}],
    });
    admin.apply(&document).await;
    let path = "/v1/consumers/c/credentials?wait=5s";
    let created = admin.send(Method::POST, path, &json!({})).await.json();
    let (name, key) = (
        created["name"].as_str().unwrap(),
        created["key"].as_str().unwrap(),
    );

    let (seen, stop, tasks) = (
        Seen::default(),
        CancellationToken::new(),
        TaskTracker::new(),
    );
    for node in nodes.iter().flat_map(|node| [node.running.http; CLIENTS]) {
        tasks.spawn(ask(node, key.to_owned(), Arc::clone(&seen), stop.clone()));
    }
    let count = |status: u16| {
        let seen = seen.lock().unwrap();
        seen.iter().filter(|(_, it)| *it == status).count()
    };
    eventually("the load is there", async || count(200) > 500).await;
    let used = async || {
        let shown = admin.get(&format!("/v1/credentials/{name}")).await.json();
        shown["last_used_at_ms"]
            .as_u64()
            .is_some_and(|it| it % 60_000 == 0)
    };
    eventually("its use is told", used).await;
    admin.delete(&format!("/v1/credentials/{name}")).await;
    let revoked = Instant::now();
    let late = |it: &(Instant, u16)| it.0 >= revoked + REVOKED_AFTER;
    let enough = async || seen.lock().unwrap().iter().filter(|it| late(it)).count() > 500;
    eventually("requests go on after that second", enough).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let seen = seen.lock().unwrap();
    let let_through = seen.iter().filter(|it| late(it) && it.1 != 401).count();
    assert_eq!(let_through, 0, "of {} requests", seen.len());
}

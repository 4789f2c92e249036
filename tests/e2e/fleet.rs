//! Several control planes and nodes on one database.

use futures_util::future::join_all;
use gatewright_tests::{
    condition::eventually,
    control_plane::TestControlPlane,
    database::Postgres,
    node::TestNode,
    traffic::Traffic,
    upstream::{Upstream, route},
};
use serde_json::json;
use tempfile::TempDir;

/// Two control planes on one database, and three nodes.
struct Fleet {
    control_planes: [TestControlPlane; 2],
    nodes: Vec<TestNode>,
    upstream: Upstream,
    _dir: TempDir,
    // After the control planes.
    _database: Postgres,
}

impl Fleet {
    /// Starts it; which control planes the nodes are given is up to the test.
    async fn start(choose: impl Fn(usize, &[String; 2]) -> Vec<String>) -> Self {
        let (database, upstream) = (Postgres::create().await, Upstream::start().await);
        let dir = tempfile::tempdir().unwrap();
        let control_planes = [
            TestControlPlane::start(&database.url()).await,
            TestControlPlane::start(&database.url()).await,
        ];
        let urls = control_planes.each_ref().map(TestControlPlane::url);
        let mut nodes = Vec::new();
        for number in 0..3 {
            let (name, urls) = (format!("node-{number}"), choose(number, &urls));
            nodes.push(TestNode::start(&name, &urls, dir.path()).await);
        }
        let fleet = Self {
            control_planes,
            nodes,
            upstream,
            _dir: dir,
            _database: database,
        };
        fleet.complete(0).await;
        let document =
            json!({"services": [fleet.upstream.service()], "routes": [route("base", "/base")]});
        let revision = fleet.control_planes[0].admin.apply(&document).await;
        fleet.complete(revision).await;
        fleet
    }

    /// Waits until all nodes have applied a revision.
    async fn complete(&self, revision: u64) {
        let followers = || self.control_planes.iter().map(|it| it.followers(revision));
        let all = async || followers().sum::<usize>() == self.nodes.len();
        eventually("all nodes have applied the revision", all).await;
    }

    /// The status of a path, of every node.
    async fn statuses(&self, path: &str) -> Vec<u16> {
        join_all(self.nodes.iter().map(|node| node.status(path))).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_is_served_by_every_node_when_it_returns() {
    let fleet = Fleet::start(|_, urls| vec![urls[0].clone()]).await;
    let admin = &fleet.control_planes[0].admin;
    for turn in 0..20 {
        let path = format!("/turn-{turn}");
        admin
            .put("/v1/routes/moving?wait=5s", &route("moving", &path))
            .await;
        assert_eq!(fleet.statuses(&path).await, [200, 200, 200], "turn {turn}");
    }
    admin.delete("/v1/routes/moving?wait=5s").await;
    assert_eq!(fleet.statuses("/turn-19").await, [404, 404, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_on_either_control_plane_is_served_by_the_nodes_of_both_when_it_returns()
{
    let fleet = Fleet::start(|number, urls| vec![urls[number % 2].clone()]).await;
    for turn in 0..20 {
        let path = format!("/turn-{turn}");
        let admin = &fleet.control_planes[turn % 2].admin;
        admin
            .put("/v1/routes/moving?wait=5s", &route("moving", &path))
            .await;
        assert_eq!(fleet.statuses(&path).await, [200, 200, 200], "turn {turn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_control_plane_lists_all_nodes_with_the_one_that_each_is_connected_to() {
    let fleet = Fleet::start(|number, urls| vec![urls[number % 2].clone()]).await;
    let mut seen = Vec::new();
    for control_plane in &fleet.control_planes {
        // What the other one's nodes have applied arrives through the database, a moment later.
        let current = async || {
            let answer = control_plane.admin.get("/v1/nodes").await.json();
            let mut nodes = answer["items"].as_array().unwrap().iter();
            nodes.all(|it| it["state"] == "current")
        };
        eventually("every node is shown as current", current).await;
        let answer = control_plane.admin.get("/v1/nodes").await.json();
        let nodes = answer["items"].as_array().unwrap();
        assert_eq!(nodes.len(), 3, "{answer}");
        for node in nodes {
            assert_eq!(node["applied_revision"], answer["revision"], "{answer}");
            assert_eq!(node["digest"].as_str().unwrap().len(), 32, "{answer}");
            assert_eq!(node["group"], "default", "{answer}");
        }
        let homes = nodes.iter().map(|it| it["control_plane"].clone());
        seen.push(homes.collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0][0], seen[0][2]);
    assert_ne!(seen[0][0], seen[0][1]);
}

/// What streams have cost: snapshots sent, nodes that resumed.
async fn costs(control_plane: &TestControlPlane) -> (u64, u64) {
    let counter = async |name: &str| {
        let name = format!("gatewright_discovery_{name}_total");
        control_plane.counter(&name).await
    };
    (counter("snapshots").await, counter("resumes").await)
}

/// Ends the control plane that most nodes are connected to while there is traffic: they move to the other
/// with differences only, no request fails, and a write waits for all of them.
async fn nodes_move(mut fleet: Fleet, end: impl AsyncFnOnce(TestControlPlane)) {
    let traffic = Traffic::start(fleet.nodes.iter().map(|it| it.running.http), "/base");
    traffic.goes_on(50).await;
    fleet
        .control_planes
        .sort_by_key(|it| std::cmp::Reverse(it.followers(0)));
    let Fleet {
        control_planes: [ending, staying],
        nodes,
        upstream: _upstream,
        _dir,
        _database,
    } = fleet;
    let moving = u64::try_from(ending.followers(0)).unwrap();
    let (snapshots, resumes) = costs(&staying).await;
    // So that there is a difference.
    let before = route("before", "/before");
    let revision = ending.admin.put("/v1/routes/before", &before).await;
    end(ending).await;
    staying.followed_by(3, revision).await;
    let after = route("after", "/after");
    staying.admin.put("/v1/routes/after?wait=5s", &after).await;
    for node in &nodes {
        assert_eq!(node.status("/before").await, 200);
        assert_eq!(node.status("/after").await, 200);
    }
    let expected = (snapshots, resumes + moving);
    assert_eq!(costs(&staying).await, expected, "snapshots, resumes");
    traffic.goes_on(50).await;
    traffic.ended_without_failure().await;
    staying.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_move_to_the_other_control_plane_when_theirs_ends_and_no_request_fails() {
    let fleet = Fleet::start(|_, urls| urls.to_vec()).await;
    nodes_move(fleet, async |ending| ending.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_move_to_the_other_control_plane_when_theirs_is_killed_and_no_request_fails() {
    let fleet = Fleet::start(|_, urls| urls.to_vec()).await;
    nodes_move(fleet, async |ending| ending.kill()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_shows_how_the_targets_and_services_of_a_node_fare() {
    let fleet = Fleet::start(|_, urls| vec![urls[0].clone()]).await;
    let admin = &fleet.control_planes[0].admin;
    assert_eq!(fleet.nodes[1].status("/base").await, 200);
    let address = fleet.upstream.address.to_string();
    let told = async || {
        let node = admin.get("/v1/nodes/node-1").await.json();
        let (target, service) = (&node["facts"]["targets"][0], &node["facts"]["services"][0]);
        let healthy = target["address"] == address.as_str() && target["healthy"] == true;
        healthy && service["service"] == "echo" && service["requests"] == 1
    };
    eventually("the node tells of its target and its service", told).await;
    let listed = admin.get("/v1/nodes").await.json();
    assert!(listed["items"][0]["facts"].is_null(), "only of one node");
}

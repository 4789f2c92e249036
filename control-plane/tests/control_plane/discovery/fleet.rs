//! Several control planes on one database know of all nodes.

use std::time::Duration;

use gatewright_control_plane::discovery::NodeState;
use gatewright_proto::v1::{NodeReport, node_message::Message};
use tokio::time::timeout;

use super::plane::{Node, Plane};
use crate::store::database::{Database, service};

const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for what happens anyway.
const MOMENT: Duration = Duration::from_millis(500);

/// Waits until something holds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, holds).await.expect("it holds in time");
}

#[tokio::test]
async fn a_wait_on_one_control_plane_is_for_the_nodes_of_the_other_as_well() {
    for database in Database::both().await {
        let store = database.open().await;
        let (one, other) = (Plane::start(&store).await, Plane::start(&store).await);
        let (mut first, mut second) = (Node::new("first"), Node::new("second"));
        first.connect(&one).await;
        first.follow().await;
        second.connect(&other).await;
        second.follow().await;
        let revision = one.commit(vec![service("a", "/1")]).await;
        other.catalog.fresh().await.unwrap();
        first.follow_to(revision).await;
        let late = one.fleet.wait_applied(revision, MOMENT).await.unwrap_err();
        let late: Vec<_> = late.lagging.into_iter().map(|it| it.node_id).collect();
        assert_eq!(late, ["second"]);
        let waiting = one.fleet.wait_applied(revision, PATIENCE);
        let (waited, ()) = tokio::join!(waiting, second.follow_to(revision));
        waited.unwrap();
        other.fleet.wait_applied(revision, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_counts_from_its_welcome_until_it_goes() {
    for database in Database::both().await {
        let store = database.open().await;
        let (one, other) = (Plane::start(&store).await, Plane::start(&store).await);
        one.commit(vec![service("a", "/1")]).await;
        other.catalog.fresh().await.unwrap();
        let mut node = Node::new("node");
        node.connect(&other).await;
        let late = one.fleet.wait_applied(1, MOMENT).await.unwrap_err();
        assert_eq!(late.lagging[0].node_id, "node");
        node.disconnect();
        one.fleet.wait_applied(1, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn every_control_plane_lists_all_nodes_with_what_they_told() {
    for database in Database::both().await {
        let store = database.open().await;
        let planes = [Plane::start(&store).await, Plane::start(&store).await];
        let revision = planes[0].commit(vec![service("a", "/1")]).await;
        planes[1].catalog.fresh().await.unwrap();
        let mut nodes = [Node::new("of-0"), Node::new("of-1")];
        nodes[1].refuses = vec!["a"];
        for (node, plane) in nodes.iter_mut().zip(&planes) {
            node.connect(plane).await;
            node.follow_to(revision).await;
        }
        let report = NodeReport {
            omitted: 5,
            ..NodeReport::default()
        };
        nodes[1].say(Message::NodeReport(report.clone())).await;
        for plane in &planes {
            until(async || {
                let listed = plane.fleet.list().await;
                assert!(!listed.partial);
                let [of_0, of_1] = listed.nodes.as_slice() else {
                    return false;
                };
                assert_eq!(of_0.control_plane, planes[0].address.to_string());
                assert_eq!(of_1.control_plane, planes[1].address.to_string());
                let applied = of_0.applied_revision == revision && of_0.digest.len() == 32;
                let refused = of_1.rejects.iter().map(|it| &*it.resource);
                applied
                    && of_0.state == NodeState::Current
                    && refused.eq(["service/a"])
                    && of_1.facts.as_ref() == Some(&report)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn of_a_node_that_moved_the_later_stream_counts_on_both_sides() {
    for database in Database::both().await {
        let store = database.open().await;
        let (one, other) = (Plane::start(&store).await, Plane::start(&store).await);
        let mut moving = Node::new("moving");
        moving.connect(&one).await;
        moving.follow().await;
        let left_behind = moving.leave_open();
        moving.connect(&other).await;
        let revision = other.commit(vec![service("a", "/1")]).await;
        moving.follow_to(revision).await;
        // The older stream is still open, and will never acknowledge.
        for plane in [&one, &other] {
            plane.fleet.wait_applied(revision, PATIENCE).await.unwrap();
            let nodes = plane.fleet.list().await.nodes;
            assert_eq!(nodes.len(), 1);
            assert_eq!(nodes[0].control_plane, other.address.to_string());
        }
        drop(left_behind);
    }
}

#[tokio::test]
async fn without_the_database_nodes_are_served_and_those_here_are_listed() {
    let database = Database::postgres().await;
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    drop(database);
    let mut another = Node::new("another");
    another.connect(&plane).await;
    another.follow().await;
    let listed = plane.fleet.list().await;
    assert!(listed.partial);
    assert_eq!(listed.nodes.len(), 2);
    let unknown = plane.fleet.wait_applied(0, MOMENT).await.unwrap_err();
    assert!(unknown.lagging.is_empty(), "none that it knows of");
}

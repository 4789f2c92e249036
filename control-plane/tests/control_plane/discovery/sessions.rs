//! Streams themselves: one delta in flight, one stream a node, bounds, an orderly end.

use std::time::Duration;

use gatewright_control_plane::discovery::Limits;
use gatewright_proto::v1::{
    Ack, NodeReport, Report, TargetHealth, control_message::Message as Control,
    node_message::Message,
};
use tokio::time::timeout;
use tonic::Code;

use super::plane::{Node, Plane};
use crate::store::database::{Database, service};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn what_is_committed_while_a_delta_is_in_flight_is_merged_into_the_next() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("slow");
    node.connect(&plane).await;
    let first = node.delta().await;
    let mut revision = 0;
    for path in 0..50 {
        revision = plane.commit(vec![service("a", &format!("/{path}"))]).await;
    }
    // Of no delta: it acknowledges nothing.
    let stale = Ack {
        nonce: "stale".to_owned(),
        ..Ack::default()
    };
    node.say(Message::Ack(stale)).await;
    let ack = node.apply(&first);
    node.say(Message::Ack(ack)).await;
    let delta = node.delta().await;
    assert_eq!((delta.to_revision, delta.upserts.len()), (revision, 1));
    let lagging = plane.fleet.wait_applied(revision, Duration::ZERO).await;
    assert_eq!(lagging.unwrap_err().lagging[0].node_id, "slow");
    let ack = node.apply(&delta);
    node.say(Message::Ack(ack)).await;
    plane.fleet.wait_applied(revision, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_node_that_reports_but_does_not_acknowledge_is_given_up() {
    let database = Database::sqlite();
    let limits = Limits {
        answer_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let plane = Plane::start_with(&database.open().await, limits).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.delta().await;
    for _ in 0..10 {
        node.say(Message::Report(Report::default())).await;
    }
    assert_eq!(
        node.hear().await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test]
async fn of_two_nodes_with_one_name_the_newest_stays() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let (mut first, mut second) = (Node::new("node"), Node::new("node"));
    second.boot = "second";
    first.connect(&plane).await;
    first.follow().await;
    second.connect(&plane).await;
    assert_eq!(first.hear().await.unwrap_err().code(), Code::AlreadyExists);
    second.follow().await;
    let nodes = plane.nodes.list();
    assert_eq!((nodes.len(), nodes[0].boot_id.as_str()), (1, "second"));
}

#[tokio::test]
async fn nodes_over_the_limit_are_told_to_come_back_and_those_that_resume_are_not() {
    let database = Database::sqlite();
    let limits = Limits {
        snapshots: 1,
        ..Limits::default()
    };
    let plane = Plane::start_with(&database.open().await, limits).await;
    let (mut first, mut second) = (Node::new("first"), Node::new("second"));
    first.connect(&plane).await;
    first.follow().await;
    plane.fleet.wait_applied(0, PATIENCE).await.unwrap();
    let mut busy = Node::new("busy");
    busy.connect(&plane).await;
    busy.delta().await;
    second.connect(&plane).await;
    assert_eq!(
        second.hear().await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    first.connect(&plane).await;
    let revision = plane.commit(vec![service("a", "/1")]).await;
    first.follow_to(revision).await;
}

#[tokio::test]
async fn at_the_end_nodes_are_told_when_to_come_back() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    plane.shutdown.cancel();
    let Control::Goaway(goaway) = node.hear().await.unwrap() else {
        panic!("a goaway was expected");
    };
    assert!(goaway.reconnect_after_ms <= 50);
    assert_eq!(node.hear().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts_within_the_limit_of_a_message() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let path = format!("/{}", "x".repeat(100_000));
    let names: Vec<String> = (0..40).map(|number| format!("s{number:02}")).collect();
    let edits = names.iter().map(|name| service(name, &path)).collect();
    plane.commit(edits).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    let mut parts = 0;
    loop {
        let Control::Delta(part) = node.hear().await.unwrap() else {
            panic!("a delta was expected");
        };
        let bytes: usize = part.upserts.iter().map(|it| it.body.len()).sum();
        assert!(bytes <= 1 << 20 && part.part == parts && part.snapshot);
        parts += 1;
        if part.last {
            break;
        }
    }
    assert_eq!(parts, 4);
}

#[tokio::test]
async fn what_a_node_tells_of_its_targets_is_known_and_too_much_of_it_is_refused() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    let target = |reason: &str| NodeReport {
        targets: vec![TargetHealth {
            upstream: "pool".to_owned(),
            reason: reason.to_owned(),
            ..TargetHealth::default()
        }],
        ..NodeReport::default()
    };
    node.say(Message::NodeReport(target("timeout"))).await;
    let known = || plane.nodes.list()[0].facts == Some(target("timeout"));
    timeout(PATIENCE, async {
        while !known() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is known");
    let large = target(&"x".repeat(100_000));
    node.say(Message::NodeReport(large)).await;
    assert_eq!(
        node.hear().await.unwrap_err().code(),
        Code::ResourceExhausted
    );
}

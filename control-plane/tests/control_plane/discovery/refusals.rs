//! What a node refuses is parked until it changes, and told of.

use std::time::Duration;

use gatewright_control_plane::discovery::NodeState;
use gatewright_proto::{
    Kind,
    v1::{Ack, Outcome, node_message::Message},
};

use super::plane::{Node, Plane};
use crate::store::database::{Database, delete, service};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn one_resource_of_three_is_refused_parked_and_told_of() {
    let database = Database::sqlite();
    let store = database.open().await;
    let plane = Plane::start(&store).await;
    let mut node = Node::new("node");
    node.refuses = vec!["b"];
    node.connect(&plane).await;
    node.follow().await;
    let names = ["a", "b", "c"].map(|name| service(name, "/1"));
    let revision = plane.commit(names.to_vec()).await;
    node.follow_to(revision).await;
    plane.fleet.wait_applied(revision, PATIENCE).await.unwrap();
    let view = plane.nodes.list().remove(0);
    assert_eq!(view.rejects[0].resource, "service/b");
    assert!(
        view.digest_ok && view.state == NodeState::Current,
        "{view:?}"
    );
    // Neither with the next delta, nor on another control plane.
    plane.commit(vec![service("d", "/1")]).await;
    assert_eq!(node.follow().await.0, ["d"]);
    let other = Plane::start(&store).await;
    node.connect(&other).await;
    other.commit(vec![service("e", "/1")]).await;
    assert_eq!(node.follow().await.0, ["e"]);
    assert_eq!(other.nodes.list()[0].rejects[0].resource, "service/b");
    // But when it has changed.
    node.refuses.clear();
    let revision = other.commit(vec![service("b", "/2")]).await;
    assert_eq!(node.follow().await.0, ["b"]);
    other.fleet.wait_applied(revision, PATIENCE).await.unwrap();
    assert!(other.nodes.list()[0].rejects.is_empty());
    assert_eq!(other.costs(), (0, 0));
}

#[tokio::test]
async fn what_was_refused_and_is_deleted_or_goes_back_is_told_to_the_node() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    plane.commit(vec![service("old", "/1")]).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    node.refuses = vec!["old", "new"];
    plane
        .commit(vec![service("old", "/2"), service("new", "/1")])
        .await;
    node.follow().await;
    assert_eq!(node.refused.len(), 2);
    node.refuses.clear();
    // It holds the one and does not hold the other, and still has to hear of both.
    plane
        .commit(vec![service("old", "/1"), delete("new")])
        .await;
    let (upserts, removals) = node.follow().await;
    assert_eq!(
        (upserts, removals),
        (vec!["old".to_owned()], vec!["new".to_owned()])
    );
    assert!(node.refused.is_empty());
    assert_eq!(plane.costs(), (1, 0));
}

#[tokio::test]
async fn what_was_refused_and_is_deleted_while_the_node_is_away_is_told_after_a_list() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("node");
    node.refuses = vec!["guard"];
    node.connect(&plane).await;
    node.follow().await;
    let revision = plane.commit(vec![service("guard", "/1")]).await;
    node.follow_to(revision).await;
    node.disconnect();
    node.epoch = "another".to_owned();
    plane.commit(vec![delete("guard")]).await;
    node.connect(&plane).await;
    assert_eq!(node.follow().await.1, ["guard"]);
    assert_eq!(plane.costs(), (1, 1));
}

#[tokio::test]
async fn a_delta_that_was_refused_whole_is_not_sent_again_until_there_is_another() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    plane.commit(vec![service("a", "/1")]).await;
    let delta = node.delta().await;
    let ack = Ack {
        nonce: delta.nonce,
        outcome: Outcome::Rejected.into(),
        reason: "broken".to_owned(),
        ..Ack::default()
    };
    node.say(Message::Ack(ack)).await;
    let mut moved = plane.nodes.follow();
    while plane.nodes.list()[0].state != NodeState::Stuck {
        moved.changed().await.unwrap();
    }
    assert_eq!(plane.nodes.list()[0].stuck, "broken");
    plane.commit(vec![service("b", "/1")]).await;
    assert_eq!(node.follow().await.0, ["a", "b"]);
    assert_eq!(plane.costs(), (1, 1));
}

#[tokio::test]
async fn a_digest_that_does_not_fit_is_asked_about_once_and_then_ends_the_stream() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    for listed in [false, true] {
        let delta = node.delta().await;
        let mut ack = node.apply(&delta);
        ack.digest = vec![7; 16];
        node.say(Message::Ack(ack)).await;
        assert_eq!(plane.costs().1, u64::from(listed));
    }
    assert_eq!(node.hear().await.unwrap_err().code(), tonic::Code::Internal);
}

#[tokio::test]
async fn kinds_that_a_node_does_not_understand_are_withheld_and_told_of() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    plane.commit(vec![service("a", "/1")]).await;
    let mut node = Node::new("node");
    node.kinds = vec![Kind::Route];
    node.connect(&plane).await;
    assert!(node.follow().await.0.is_empty());
    let revision = plane.commit(vec![service("b", "/1")]).await;
    node.follow_to(revision).await;
    plane.fleet.wait_applied(revision, PATIENCE).await.unwrap();
    assert_eq!(plane.nodes.list()[0].withheld, ["service"]);
    // After an upgrade it gets them.
    node.kinds.push(Kind::Service);
    node.connect(&plane).await;
    assert_eq!(node.follow().await.0, ["a", "b"]);
    assert_eq!(plane.costs(), (1, 1));
}

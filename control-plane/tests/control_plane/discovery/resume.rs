//! A node that comes back costs what has changed, wherever it comes back to.

use gatewright_proto::{Key, Kind, Version};

use super::plane::{Node, Plane};
use crate::store::database::{Database, commit, delete, service};

#[tokio::test]
async fn a_node_that_holds_nothing_gets_everything_and_then_what_changes() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    plane
        .commit(vec![service("a", "/1"), service("b", "/1")])
        .await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    assert_eq!(node.follow().await.0, ["a", "b"]);
    plane.commit(vec![service("b", "/2"), delete("a")]).await;
    let (upserts, removals) = node.follow().await;
    assert_eq!(
        (upserts, removals),
        (vec!["b".to_owned()], vec!["a".to_owned()])
    );
    assert_eq!(node.digest(), plane.catalog.present().digest);
}

#[tokio::test]
async fn a_node_resumes_on_a_control_plane_that_has_just_started() {
    let database = Database::sqlite();
    let store = database.open().await;
    let plane = Plane::start(&store).await;
    plane
        .commit(vec![service("a", "/1"), service("b", "/1")])
        .await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    node.disconnect();
    plane.commit(vec![service("c", "/1")]).await;
    plane.commit(vec![delete("a")]).await;
    // It has none of this in memory: it reads the log back.
    let other = Plane::start(&store).await;
    node.connect(&other).await;
    let (upserts, removals) = node.follow().await;
    assert_eq!(
        (upserts, removals),
        (vec!["c".to_owned()], vec!["a".to_owned()])
    );
    assert_eq!(other.costs(), (0, 0));
    assert_eq!(node.digest(), other.catalog.present().digest);
}

#[tokio::test]
async fn a_control_plane_that_is_behind_does_not_send_a_node_back() {
    let database = Database::sqlite();
    let store = database.open().await;
    let (plane, behind) = (Plane::start(&store).await, Plane::start(&store).await);
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    let revision = plane.commit(vec![service("a", "/1")]).await;
    node.follow_to(revision).await;
    assert_eq!(behind.catalog.present().head.revision, 0);
    node.connect(&behind).await;
    behind.commit(vec![service("b", "/1")]).await;
    assert_eq!(node.follow().await.0, ["b"]);
    assert_eq!(behind.costs(), (0, 0));
}

#[tokio::test]
async fn a_node_that_does_not_hold_what_it_should_is_asked_and_gets_the_difference() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    let names = ["a", "b", "c"].map(|name| service(name, "/1"));
    plane.commit(names.to_vec()).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    node.held.remove(&Key::new(Kind::Service, "b"));
    node.held
        .insert(Key::new(Kind::Service, "gone"), Version::of_bytes(b"x"));
    node.connect(&plane).await;
    let (upserts, removals) = node.follow().await;
    assert_eq!(
        (upserts, removals),
        (vec!["b".to_owned()], vec!["gone".to_owned()])
    );
    assert_eq!(plane.costs(), (1, 1));
}

#[tokio::test]
async fn after_a_restore_nodes_are_asked_and_follow_the_new_history() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    plane
        .commit(vec![service("a", "/1"), service("b", "/1")])
        .await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    let epoch = node.epoch.clone();
    database
        .execute("update revision set epoch = 'restored'")
        .await;
    // While it is connected.
    plane.commit(vec![delete("a")]).await;
    assert_eq!(node.follow().await.1, ["a"]);
    // And as one that was away.
    node.epoch = epoch;
    node.connect(&plane).await;
    assert_eq!(node.follow().await, (Vec::new(), Vec::new()));
    assert_eq!((node.epoch.as_str(), plane.costs()), ("restored", (1, 2)));
}

#[tokio::test]
async fn a_log_that_does_not_reach_back_costs_a_list_and_no_snapshot() {
    let database = Database::sqlite();
    let store = database.open().await;
    let plane = Plane::start(&store).await;
    plane.commit(vec![service("a", "/1")]).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    node.disconnect();
    for path in ["/2", "/3", "/4"] {
        commit(&*store, vec![service("a", path)]).await;
    }
    store.trim(0, 1).await.unwrap();
    let other = Plane::start(&store).await;
    node.connect(&other).await;
    assert_eq!(node.follow().await.0, ["a"]);
    assert_eq!(other.costs(), (0, 1));
}

#[tokio::test]
async fn a_delta_that_was_not_acknowledged_is_sent_again() {
    let database = Database::sqlite();
    let plane = Plane::start(&database.open().await).await;
    plane.commit(vec![service("a", "/1")]).await;
    let mut node = Node::new("node");
    node.connect(&plane).await;
    node.follow().await;
    plane.commit(vec![service("b", "/1")]).await;
    assert_eq!(node.delta().await.upserts.len(), 1);
    node.disconnect();
    node.connect(&plane).await;
    assert_eq!(node.follow().await.0, ["b"]);
    assert_eq!(plane.costs(), (1, 0));
}

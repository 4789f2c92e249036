//! What control planes tell each other of their nodes.

use std::{sync::Arc, time::Duration};

use gatewright_control_plane::store::{Applied, Member, NodeRow, Store};
use tokio::time::timeout;

use super::database::Database;

const DEADLINE: Duration = Duration::from_secs(10);
const ALIVE_MS: i64 = 60_000;

fn member(name: &str) -> Member {
    Member {
        instance: format!("instance-{name}"),
        name: name.to_owned(),
    }
}

fn row(node_id: &str, stream: u64, revision: u64) -> NodeRow {
    NodeRow {
        node_id: node_id.to_owned(),
        stream,
        connected: true,
        applied_revision: revision,
        body: format!("{{\"stream\": {stream}}}"),
        facts: format!("{{\"omitted\": {stream}}}"),
    }
}

fn applied(node_id: &str, stream: u64, revision: u64) -> Applied {
    Applied {
        node_id: node_id.to_owned(),
        stream,
        revision,
    }
}

/// Two control planes that live.
async fn two(database: &Database) -> [(Arc<dyn Store>, Member); 2] {
    let members = [member("a"), member("b")];
    let stores = [database.open().await, database.open().await];
    for (store, member) in stores.iter().zip(&members) {
        store.beat(member).await.unwrap();
    }
    let [a, b] = members;
    let [first, second] = stores;
    [(first, a), (second, b)]
}

#[tokio::test]
async fn control_planes_hear_of_each_others_nodes_and_not_of_their_own() {
    for database in Database::both().await {
        let [(a, of_a), (b, of_b)] = two(&database).await;
        a.tell(&of_a.instance, &[row("n2", 1, 7), row("n1", 1, 8)])
            .await
            .unwrap();
        let mut heard = b.applied_elsewhere(&of_b.instance, ALIVE_MS).await.unwrap();
        heard.sort_by(|one, other| one.node_id.cmp(&other.node_id));
        assert_eq!(heard, [applied("n1", 1, 8), applied("n2", 1, 7)]);
        let nodes = b.nodes_elsewhere(&of_b.instance, ALIVE_MS).await.unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[0].control_plane, "a");
        assert_eq!(nodes[0].row, row("n1", 1, 8));
        let own = a.nodes_elsewhere(&of_a.instance, ALIVE_MS).await.unwrap();
        assert_eq!(own, []);
    }
}

#[tokio::test]
async fn what_is_empty_stays_as_it_was_on_the_same_stream() {
    for database in Database::both().await {
        let [(a, of_a), (b, of_b)] = two(&database).await;
        let bare = |stream: u64| NodeRow {
            facts: String::new(),
            ..row("n", stream, 9)
        };
        a.tell(&of_a.instance, &[row("n", 1, 8)]).await.unwrap();
        a.tell(&of_a.instance, &[bare(1)]).await.unwrap();
        let facts = async || {
            let nodes = b.nodes_elsewhere(&of_b.instance, ALIVE_MS).await.unwrap();
            (nodes[0].row.applied_revision, nodes[0].row.facts.clone())
        };
        assert_eq!(facts().await, (9, "{\"omitted\": 1}".to_owned()));
        a.tell(&of_a.instance, &[bare(2)]).await.unwrap();
        assert_eq!(facts().await, (9, String::new()), "of another stream");
    }
}

#[tokio::test]
async fn a_late_word_of_an_older_stream_changes_nothing() {
    for database in Database::both().await {
        let [(a, of_a), (b, of_b)] = two(&database).await;
        a.tell(&of_a.instance, &[row("n", 1, 8)]).await.unwrap();
        b.tell(&of_b.instance, &[row("n", 2, 9)]).await.unwrap();
        let late = [
            row("n", 1, 99),
            NodeRow {
                connected: false,
                ..row("n", 1, 0)
            },
            // As late, and of the same number by chance.
            row("n", 2, 99),
        ];
        for late in late {
            a.tell(&of_a.instance, &[late]).await.unwrap();
            let heard = a.applied_elsewhere(&of_a.instance, ALIVE_MS).await.unwrap();
            assert_eq!(heard, [applied("n", 2, 9)]);
        }
        let gone = NodeRow {
            connected: false,
            ..row("n", 2, 0)
        };
        b.tell(&of_b.instance, &[gone]).await.unwrap();
        a.tell(&of_a.instance, &[row("n", 1, 99)]).await.unwrap();
        let heard = b.applied_elsewhere(&of_b.instance, ALIVE_MS).await.unwrap();
        assert_eq!(heard, [], "also once the node has gone");
    }
}

#[tokio::test]
async fn nodes_of_a_control_plane_that_ends_or_is_not_seen_do_not_count() {
    for database in Database::both().await {
        let [(a, of_a), (b, of_b)] = two(&database).await;
        a.tell(&of_a.instance, &[row("n", 1, 8)]).await.unwrap();
        let heard = async |alive_ms: i64| {
            let heard = b.applied_elsewhere(&of_b.instance, alive_ms).await.unwrap();
            heard.len()
        };
        assert_eq!(heard(ALIVE_MS).await, 1);
        assert_eq!(heard(-ALIVE_MS).await, 0, "not seen for long enough");
        a.leave(&of_a).await.unwrap();
        assert_eq!(heard(ALIVE_MS).await, 0);
        a.beat(&of_a).await.unwrap();
        assert_eq!(heard(ALIVE_MS).await, 1, "it was only away");
    }
}

#[tokio::test]
async fn what_was_not_heard_of_for_a_day_is_forgotten() {
    for database in Database::both().await {
        let [(a, of_a), (b, of_b)] = two(&database).await;
        a.tell(&of_a.instance, &[row("of-a", 1, 8)]).await.unwrap();
        b.tell(&of_b.instance, &[row("of-b", 1, 8)]).await.unwrap();
        database
            .execute("update control_plane set seen_at = 0 where name = 'a'")
            .await;
        database.execute("update node set changed_at = 0").await;
        b.beat(&of_b).await.unwrap();
        // It would count again, were it still there.
        a.beat(&of_a).await.unwrap();
        let heard = b.applied_elsewhere(&of_b.instance, ALIVE_MS).await.unwrap();
        assert_eq!(heard, []);
        let heard = a.applied_elsewhere(&of_a.instance, ALIVE_MS).await.unwrap();
        assert_eq!(heard, [applied("of-b", 1, 8)]);
    }
}

#[tokio::test]
async fn what_is_told_is_hinted_to_other_control_planes_on_the_same_postgres() {
    let database = Database::postgres().await;
    let [(a, of_a), (b, _)] = two(&database).await;
    timeout(DEADLINE, b.told()).await.expect("it listens");
    a.tell(&of_a.instance, &[row("n", 1, 8)]).await.unwrap();
    timeout(DEADLINE, b.told()).await.expect("a hint");
}

#[tokio::test]
async fn a_thousand_nodes_are_told_of_at_once() {
    for database in Database::both().await {
        let [(a, of_a), (b, of_b)] = two(&database).await;
        let names: Vec<String> = (0..1000).map(|number| format!("n{number:03}")).collect();
        for revision in [1, 2] {
            let rows: Vec<_> = names.iter().map(|name| row(name, 1, revision)).collect();
            a.tell(&of_a.instance, &rows).await.unwrap();
        }
        let heard = b.applied_elsewhere(&of_b.instance, ALIVE_MS).await.unwrap();
        assert_eq!(heard.len(), 1000);
        assert!(heard.iter().all(|it| it.revision == 2));
    }
}

//! What several stores on one database promise each other.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gatewright_control_plane::store::{Store, Stored};
use gatewright_proto::{Key, Version};
use tokio::{task::JoinSet, time::timeout};

use super::database::{Database, commit, delete, service};

const WRITERS: usize = 50;
const DEADLINE: Duration = Duration::from_secs(10);

/// Each writer creates a service of its own, then changes or deletes one that all fight over.
async fn write(store: Arc<dyn Store>, writer: usize) -> Vec<u64> {
    let own = format!("own-{writer}");
    let (first, _) = commit(&*store, vec![service(&own, "/1")]).await;
    let contested = if writer.is_multiple_of(5) {
        delete("contested")
    } else {
        service("contested", &format!("/{writer}"))
    };
    let (second, _) = commit(&*store, vec![service(&own, "/2"), contested]).await;
    vec![first, second]
}

/// What a follower holds that starts from nothing and only follows the changes.
async fn replayed(store: &dyn Store) -> (Vec<u64>, BTreeMap<Key, Version>) {
    let mut held = BTreeMap::new();
    let mut revisions = Vec::new();
    for change in store.changes_after(0).await.unwrap().unwrap() {
        let before = change.before.map(|(_, version)| version);
        assert_eq!(
            held.remove(&change.key),
            before,
            "{} at {}",
            change.key,
            change.revision
        );
        if let Some((_, version)) = change.after {
            held.insert(change.key, version);
        }
        revisions.push(change.revision);
    }
    (revisions, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_writers_on_two_stores_never_lose_or_reorder_a_change() {
    for database in Database::both().await {
        let stores = [database.open().await, database.open().await];
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(Arc::clone(&stores[writer % 2]), writer));
        }
        let mut committed = writers.join_all().await.concat();
        committed.sort_unstable();
        let all: Vec<u64> = (1..=2 * WRITERS as u64).collect();
        assert_eq!(committed, all, "one revision a commit, without gaps");
        let (mut revisions, held) = replayed(&*stores[0]).await;
        revisions.dedup();
        assert_eq!(revisions, all);
        let (head, stored) = stores[1].load().await.unwrap();
        assert_eq!(head.revision, 2 * WRITERS as u64);
        let version = |stored: &Stored| (Key::of(&stored.resource), stored.version);
        assert_eq!(stored.iter().map(version).collect::<BTreeMap<_, _>>(), held);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_never_sees_a_revision_before_an_older_one() {
    for database in Database::both().await {
        let (store, follower) = (database.open().await, database.open().await);
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(Arc::clone(&store), writer));
        }
        let mut seen = 0;
        while seen < 2 * WRITERS as u64 {
            for change in follower.changes_after(seen).await.unwrap().unwrap() {
                assert!(
                    change.revision == seen || change.revision == seen + 1,
                    "{seen}"
                );
                seen = change.revision;
            }
        }
        writers.join_all().await;
    }
}

#[tokio::test]
async fn two_stores_may_open_a_new_database_together() {
    for database in Database::both().await {
        let (one, other) = tokio::join!(database.open(), database.open());
        assert_eq!(one.head().await.unwrap(), other.head().await.unwrap());
    }
}

#[tokio::test]
async fn a_commit_is_hinted_to_the_store_that_made_it() {
    for database in Database::both().await {
        let store = database.open().await;
        commit(&*store, vec![service("a", "/1")]).await;
        timeout(DEADLINE, store.hint()).await.expect("a hint");
    }
}

#[tokio::test]
async fn a_commit_is_hinted_to_other_control_planes_on_the_same_postgres() {
    let database = Database::postgres().await;
    let (one, other) = (database.open().await, database.open().await);
    // The first hint says that it listens now.
    timeout(DEADLINE, other.hint()).await.expect("it listens");
    commit(&*one, vec![service("a", "/1")]).await;
    timeout(DEADLINE, other.hint()).await.expect("a hint");
    assert_eq!(other.changes_after(0).await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_listener_that_lost_its_connection_hears_again() {
    let database = Database::postgres().await;
    let (one, other) = (database.open().await, database.open().await);
    timeout(DEADLINE, other.hint()).await.expect("it listens");
    database
        .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    timeout(DEADLINE, other.hint())
        .await
        .expect("it listens again");
    commit(&*one, vec![service("a", "/1")]).await;
    timeout(DEADLINE, other.hint()).await.expect("a hint");
}

//! What one store promises to those who use it.

use std::sync::Arc;

use gatewright_control_plane::store::{Authorship, Change, Store, StoreError, Stored};
use gatewright_proto::{Key, Kind, Version};
use serde_json::json;

use super::database::{Database, commit, delete, put, service};

async fn names(store: &dyn Store) -> Vec<String> {
    let (_, stored) = store.load().await.unwrap();
    let key = |stored: &Stored| Key::of(&stored.resource).to_string();
    stored.iter().map(key).collect()
}

fn described(change: &Change) -> (u64, String, bool, bool) {
    let key = change.key.to_string();
    (
        change.revision,
        key,
        change.before.is_some(),
        change.after.is_some(),
    )
}

#[tokio::test]
async fn a_new_database_is_empty_and_has_a_history_of_its_own() {
    for (one, other) in Database::both().await.iter().zip(&Database::both().await) {
        let head = one.open().await.head().await.unwrap();
        assert_eq!(head.revision, 0);
        assert!(head.epoch.len() >= 32, "{head:?}");
        assert_ne!(head.epoch, other.open().await.head().await.unwrap().epoch);
        assert_eq!(names(&*one.open().await).await, Vec::<String>::new());
        assert!(
            one.open()
                .await
                .changes_after(0)
                .await
                .unwrap()
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn what_is_committed_is_read_back_with_its_versions_and_revisions() {
    for database in Database::both().await {
        let store = database.open().await;
        assert_eq!(
            commit(&*store, vec![service("a", "/1"), service("b", "/1")]).await,
            (1, 2)
        );
        assert_eq!(
            commit(&*store, vec![service("a", "/2"), delete("b")]).await,
            (2, 2)
        );
        let (head, stored) = store.load().await.unwrap();
        assert_eq!((head.revision, stored.len()), (2, 1));
        let a = &stored[0];
        assert_eq!(Some(&a.resource), service("a", "/2").after.as_ref());
        assert_eq!(a.version, Version::of(&a.resource));
        assert_eq!((a.created_revision, a.revision), (1, 2));
        assert!(a.updated_at_ms > 1_600_000_000_000);
        commit(&*store, vec![service("b", "/1")]).await;
        let (_, stored) = store.load().await.unwrap();
        assert_eq!(stored[1].created_revision, 3, "a deleted one begins anew");
    }
}

#[tokio::test]
async fn changes_say_what_was_and_what_became_parents_first() {
    for database in Database::both().await {
        let store = database.open().await;
        let route = json!({"name": "a", "service": "a", "paths": [{"prefix": "/"}]});
        let route = Kind::Route.from_json(route).unwrap();
        commit(&*store, vec![put(route), service("a", "/1")]).await;
        commit(&*store, vec![service("a", "/2")]).await;
        commit(&*store, vec![delete("a")]).await;
        let changes = store.changes_after(0).await.unwrap().unwrap();
        let expected = [
            (1, "service/a", false, true),
            (1, "route/a", false, true),
            (2, "service/a", true, true),
            (3, "service/a", true, false),
        ];
        let expected = expected.map(|(at, key, before, after)| (at, key.to_owned(), before, after));
        assert_eq!(changes.iter().map(described).collect::<Vec<_>>(), expected);
        assert_eq!(changes[2].before, changes[0].after);
        assert_eq!(changes[3].before, changes[2].after);
        let rest = store.changes_after(2).await.unwrap().unwrap();
        assert_eq!(
            rest.iter().map(described).collect::<Vec<_>>(),
            expected[3..]
        );
        assert!(store.changes_after(3).await.unwrap().unwrap().is_empty());
        assert!(store.changes_after(4).await.unwrap().is_none(), "not yet");
    }
}

#[tokio::test]
async fn edits_that_change_nothing_make_no_revision() {
    for database in Database::both().await {
        let store = database.open().await;
        assert_eq!(commit(&*store, vec![]).await, (0, 0));
        assert_eq!(commit(&*store, vec![delete("a")]).await, (0, 0));
        assert_eq!(
            commit(&*store, vec![service("a", "/1"), delete("b")]).await,
            (1, 1)
        );
        assert_eq!(commit(&*store, vec![service("a", "/1")]).await, (1, 0));
        assert_eq!(
            commit(&*store, vec![service("a", "/1"), service("b", "/1")]).await,
            (2, 1)
        );
        let last_one_counts = vec![delete("a"), service("a", "/3"), service("a", "/1")];
        assert_eq!(commit(&*store, last_one_counts).await, (2, 0));
    }
}

#[tokio::test]
async fn revisions_are_listed_newest_first_and_shown_with_their_changes() {
    for database in Database::both().await {
        let store = database.open().await;
        for path in ["/1", "/2", "/3"] {
            commit(&*store, vec![service("a", path)]).await;
        }
        let listed = store.revisions(None, 2).await.unwrap();
        let numbers: Vec<_> = listed.iter().map(|listed| listed.revision).collect();
        assert_eq!(numbers, [3, 2]);
        let listed = store.revisions(Some(2), 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].revision), (1, 1));
        assert_eq!(
            (listed[0].author.as_str(), listed[0].comment.as_str()),
            ("tester", "a test")
        );
        let (shown, changes) = store.revision(1).await.unwrap().unwrap();
        assert_eq!((&shown, shown.changes), (&listed[0], 1));
        assert_eq!(
            described(&changes[0]),
            (1, "service/a".to_owned(), false, true)
        );
        assert!(store.revision(4).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_write_that_is_dropped_leaves_no_trace_and_lets_the_next_one_in() {
    for database in Database::both().await {
        let store = database.open().await;
        drop(store.begin().await.unwrap());
        let mut transaction = store.begin().await.unwrap();
        assert_eq!(transaction.head().revision, 0);
        assert!(
            transaction
                .changes_after(0)
                .await
                .unwrap()
                .unwrap()
                .is_empty()
        );
        drop(transaction);
        assert_eq!(commit(&*store, vec![service("a", "/1")]).await, (1, 1));
        let mut transaction = store.begin().await.unwrap();
        assert_eq!(
            transaction.changes_after(0).await.unwrap().unwrap().len(),
            1
        );
    }
}

#[tokio::test]
async fn settings_with_numbers_of_any_spelling_have_one_version_for_all() {
    for database in Database::both().await {
        let store = database.open().await;
        let settings =
            r#"{"a": 1e5, "b": 0.1, "c": 1.00, "d": 123456789.123456789, "e": "\u0000é"}"#;
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        let plugin =
            json!({"name": "p", "type": "cors", "attach": {"global": true}, "settings": settings});
        let plugin = put(Kind::Plugin.from_json(plugin).unwrap());
        let transaction = store.begin().await.unwrap();
        let committed = transaction.commit(vec![plugin.clone()], Authorship::default());
        let (_, changes) = committed.await.unwrap();
        let (_, stored) = database.open().await.load().await.unwrap();
        assert_eq!(
            changes[0].after,
            Some((Arc::clone(&stored[0].resource), stored[0].version))
        );
        assert_eq!(commit(&*store, vec![plugin]).await, (1, 0));
    }
}

#[tokio::test]
async fn trimming_forgets_old_changes_and_keeps_the_resources() {
    for database in Database::both().await {
        let store = database.open().await;
        for path in ["/1", "/2", "/3", "/4"] {
            commit(&*store, vec![service("a", path)]).await;
        }
        let hour = 3_600_000;
        assert_eq!(store.trim(hour, 0).await.unwrap(), 0, "all are recent");
        assert_eq!(
            store.trim(-hour, 10).await.unwrap(),
            0,
            "all are among the last ten"
        );
        assert_eq!(store.trim(-hour, 2).await.unwrap(), 2);
        assert_eq!(store.trim(-hour, 2).await.unwrap(), 0);
        assert!(store.changes_after(1).await.unwrap().is_none());
        assert_eq!(store.changes_after(2).await.unwrap().unwrap().len(), 2);
        assert!(store.revision(2).await.unwrap().is_none());
        assert_eq!(store.revisions(None, 10).await.unwrap().len(), 2);
        assert_eq!(store.trim(-hour, 0).await.unwrap(), 2);
        assert!(store.changes_after(4).await.unwrap().unwrap().is_empty());
        assert!(store.changes_after(3).await.unwrap().is_none());
        assert_eq!(names(&*store).await, ["service/a"]);
        assert_eq!(commit(&*store, vec![service("a", "/5")]).await, (5, 1));
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let mistakes = [
        (
            "update resource set body = '{\"name\": \"a\", \"bogus\": 1}'",
            "service/a",
            "bogus",
        ),
        (
            "update resource set body = '{\"name\": \"b\"}'",
            "service/a",
            "named `b`",
        ),
        (
            "update resource set kind = 'bogus'",
            "bogus/a",
            "not a kind",
        ),
    ];
    for (statement, key, reason) in mistakes {
        for database in Database::both().await {
            let store = database.open().await;
            commit(&*store, vec![service("a", "/1")]).await;
            database.execute(statement).await;
            let error = store.load().await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
            let message = error.to_string();
            assert!(
                message.contains(key) && message.contains(reason),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn a_database_that_was_closed_goes_on_where_it_was() {
    for database in Database::both().await {
        let store = database.open().await;
        commit(&*store, vec![service("a", "/1")]).await;
        let head = store.head().await.unwrap();
        drop(store);
        let store = database.open().await;
        assert_eq!(store.head().await.unwrap(), head);
        assert_eq!(names(&*store).await, ["service/a"]);
        assert_eq!(commit(&*store, vec![delete("a")]).await, (2, 1));
    }
}

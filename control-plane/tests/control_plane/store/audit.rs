//! Who asked for which change.

use gatewright_control_plane::store::{Audited, Authorship, Sought, Store};

use super::database::{Database, commit, service};

async fn listed(store: &dyn Store, sought: Sought) -> Vec<Audited> {
    store.audited(sought).await.unwrap()
}

fn all() -> Sought {
    Sought {
        limit: 10,
        ..Sought::default()
    }
}

fn refused(resource: &str) -> Audited {
    Audited {
        by: Authorship {
            author: "tester".to_owned(),
            action: "PUT /v1/services/a".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            request_id: "request-1".to_owned(),
            comment: "a test".to_owned(),
        },
        outcome: "invalid".to_owned(),
        resources: vec![resource.to_owned()],
        ..Audited::default()
    }
}

#[tokio::test]
async fn a_commit_is_listed_with_its_revision_and_one_that_is_dropped_is_not() {
    for database in Database::both().await {
        let store = database.open().await;
        commit(&*store, vec![service("a", "/1"), service("b", "/1")]).await;
        commit(&*store, vec![service("a", "/1")]).await;
        drop(store.begin().await.unwrap());
        let entries = listed(&*store, all()).await;
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!((entry.revision, &*entry.outcome), (Some(1), "committed"));
        assert_eq!(entry.resources, ["service/a", "service/b"]);
        assert_eq!(entry.by.author, "tester");
        assert!(entry.at_ms > 1_600_000_000_000);
    }
}

#[tokio::test]
async fn refusals_are_listed_as_they_were_told_newest_first_and_by_resource() {
    for database in Database::both().await {
        let store = database.open().await;
        commit(&*store, vec![service("a", "/1")]).await;
        store.audit(refused("service/a")).await.unwrap();
        store.audit(refused("service/b")).await.unwrap();
        let entries = listed(&*store, all()).await;
        let resources: Vec<_> = entries.iter().map(|it| &*it.resources[0]).collect();
        assert_eq!(resources, ["service/b", "service/a", "service/a"]);
        let told = Audited {
            id: entries[0].id,
            at_ms: entries[0].at_ms,
            ..refused("service/b")
        };
        assert_eq!(entries[0], told);
        let of_a = Sought {
            resource: Some("service/a".to_owned()),
            ..all()
        };
        assert_eq!(listed(&*store, of_a).await, entries[1..]);
        let older = Sought {
            before: Some(entries[0].id),
            limit: 1,
            ..all()
        };
        assert_eq!(listed(&*store, older).await, entries[1..2]);
    }
}

#[tokio::test]
async fn entries_are_forgotten_with_age() {
    for database in Database::both().await {
        let store = database.open().await;
        store.audit(refused("service/a")).await.unwrap();
        store.trim(3_600_000, 0).await.unwrap();
        assert_eq!(listed(&*store, all()).await.len(), 1);
        store.trim(-3_600_000, 10).await.unwrap();
        assert_eq!(listed(&*store, all()).await, []);
    }
}

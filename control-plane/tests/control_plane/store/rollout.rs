//! Where rollouts stand, as control planes share it.

use gatewright_control_plane::store::{SavedRollout, Store};
use gatewright_proto::{Key, Kind};
use serde_json::json;

use super::database::{Database, commit, put};

const HOUR_MS: i64 = 3600 * 1000;

fn saved<'a>(instance: &'a str, body: &'a str, next_ms: Option<i64>) -> SavedRollout<'a> {
    SavedRollout {
        name: "r",
        instance,
        wish: "",
        body,
        phase: "running",
        percent: 5,
        next_ms,
    }
}

/// The body that a control plane finds that may look; none where it may not.
async fn claim(store: &dyn Store, identity: &str, instance: &str) -> Option<String> {
    let claimed = store.claim_rollout("r", identity, instance).await.unwrap();
    claimed.map(|it| it.body)
}

#[tokio::test]
async fn exactly_one_control_plane_looks_at_a_rollout_and_hands_on_where_it_stands() {
    for database in Database::both().await {
        let (a, b) = (database.open().await, database.open().await);
        let (one, other) = tokio::join!(claim(&*a, "1", "a"), claim(&*b, "1", "b"));
        assert!(one.is_some() != other.is_some(), "{one:?} {other:?}");
        let (holder, waiting) = if one.is_some() {
            ("a", "b")
        } else {
            ("b", "a")
        };
        let late = a.save_rollout(saved(waiting, "late", Some(0))).await;
        assert!(!late.unwrap());
        assert!(a.save_rollout(saved(holder, "first", None)).await.unwrap());
        assert_eq!(claim(&*a, "1", waiting).await, None, "it is still claimed");
        assert!(a.rollouts().await.unwrap()[0].waits);
        assert!(
            a.save_rollout(saved(holder, "second", Some(0)))
                .await
                .unwrap()
        );
        let given_back = a.save_rollout(saved(holder, "third", Some(0))).await;
        assert!(!given_back.unwrap(), "it is nobody's");
        let listed = b.rollouts().await.unwrap();
        assert_eq!((listed[0].waits, listed[0].percent), (false, 5));
        assert_eq!(claim(&*b, "1", waiting).await.as_deref(), Some("second"));
    }
}

#[tokio::test]
async fn a_rollout_that_is_not_due_waits_unless_it_is_another_one_or_somebody_wants_something() {
    for database in Database::both().await {
        let store = database.open().await;
        claim(&*store, "1", "a").await;
        store
            .save_rollout(saved("a", "x", Some(HOUR_MS)))
            .await
            .unwrap();
        assert_eq!(claim(&*store, "1", "a").await, None);
        assert!(
            !store.wish_rollout("r", "2", "pause").await.unwrap(),
            "not this one"
        );
        assert!(store.wish_rollout("r", "1", "pause").await.unwrap());
        let claimed = store.claim_rollout("r", "1", "a").await.unwrap().unwrap();
        assert_eq!(
            (claimed.wish.as_str(), claimed.body.as_str()),
            ("pause", "x")
        );
        assert!(store.wish_rollout("r", "1", "abort").await.unwrap());
        let heard = SavedRollout {
            wish: "pause",
            ..saved("a", "y", Some(HOUR_MS))
        };
        store.save_rollout(heard).await.unwrap();
        let claimed = store.claim_rollout("r", "1", "a").await.unwrap().unwrap();
        assert_eq!(
            (claimed.wish.as_str(), claimed.body.as_str()),
            ("abort", "y")
        );
        let heard = SavedRollout {
            wish: "abort",
            ..saved("a", "z", Some(HOUR_MS))
        };
        store.save_rollout(heard).await.unwrap();
        assert_eq!(store.rollout("r").await.unwrap().unwrap().wish, "");
        assert_eq!(claim(&*store, "1", "a").await, None);
        assert_eq!(
            claim(&*store, "2", "a").await.as_deref(),
            Some(""),
            "begins anew"
        );
    }
}

#[tokio::test]
async fn what_is_wanted_of_a_rollout_that_nobody_has_looked_at_is_kept_for_who_does() {
    for database in Database::both().await {
        let store = database.open().await;
        assert!(store.wish_rollout("r", "1", "abort").await.unwrap());
        let claimed = store.claim_rollout("r", "1", "a").await.unwrap().unwrap();
        assert_eq!(
            (claimed.wish.as_str(), claimed.body.as_str()),
            ("abort", "")
        );
    }
}

#[tokio::test]
async fn rollouts_that_are_gone_are_forgotten() {
    for database in Database::both().await {
        let store = database.open().await;
        let rollout = Kind::Rollout.from_json(json!({"name": "kept"})).unwrap();
        assert_eq!(Key::of(&rollout).to_string(), "rollout/kept");
        commit(&*store, vec![put(rollout)]).await;
        for name in ["kept", "gone"] {
            store.wish_rollout(name, "1", "abort").await.unwrap();
        }
        store.forget_rollouts().await.unwrap();
        let listed = store.rollouts().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].name, "kept");
    }
}

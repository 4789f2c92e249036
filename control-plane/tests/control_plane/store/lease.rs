//! Signs of life of targets, as control planes share them.

use std::collections::HashMap;

use gatewright_control_plane::store::{SignOfLife, Store};

use super::database::Database;

const HOUR_MS: u64 = 3600 * 1000;

fn sign(target: &str, age_ms: u64) -> SignOfLife {
    SignOfLife {
        target: target.to_owned(),
        age_ms,
    }
}

async fn hours(store: &dyn Store, targets: &[&str]) -> HashMap<String, u64> {
    let targets: Vec<String> = targets.iter().map(|it| (*it).to_owned()).collect();
    let ages = store.ages(&targets).await.unwrap();
    let hours = |(target, age_ms)| (target, age_ms / HOUR_MS);
    ages.into_iter().map(hours).collect()
}

#[tokio::test]
async fn a_sign_of_life_is_known_to_others_and_an_older_one_never_replaces_it() {
    for database in Database::both().await {
        let (a, b) = (database.open().await, database.open().await);
        let signs = [sign("b", 5 * HOUR_MS + 1000), sign("a", HOUR_MS + 1000)];
        a.renew(&signs).await.unwrap();
        b.renew(&[sign("a", 3 * HOUR_MS), sign("b", 2 * HOUR_MS + 1000)])
            .await
            .unwrap();
        let known = hours(&*b, &["a", "b", "none"]).await;
        assert_eq!(known, HashMap::from([("a".into(), 1), ("b".into(), 2)]));
    }
}

#[tokio::test]
async fn ten_thousand_signs_of_life_are_written_at_once() {
    for database in Database::both().await {
        let store = database.open().await;
        let names: Vec<String> = (0..10_000).map(|number| format!("t{number}")).collect();
        for _ in 0..2 {
            let signs: Vec<_> = names.iter().map(|name| sign(name, 0)).collect();
            store.renew(&signs).await.unwrap();
        }
        assert_eq!(store.ages(&names).await.unwrap().len(), 10_000);
    }
}

#[tokio::test]
async fn targets_that_have_been_gone_for_hours_are_forgotten() {
    for database in Database::both().await {
        let store = database.open().await;
        let signs = [sign("old", 5 * HOUR_MS), sign("joining", HOUR_MS)];
        store.renew(&signs).await.unwrap();
        assert_eq!(store.forget().await.unwrap(), 1);
        assert_eq!(hours(&*store, &["old", "joining"]).await.len(), 1);
    }
}

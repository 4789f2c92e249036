use gatewright_control_plane::{
    secrets::{encrypt_plain, generate, rotate},
    store::StoreError,
};
use gatewright_proto::{Kind, Resource};
use serde_json::json;

use super::database::{Database, MASTER_KEY, commit, delete, put, service};

const VALUE: &str = "a-value-that-nobody-finds";

fn secret(name: &str, value: &str) -> Resource {
    let json = json!({"name": name, "value": value, "salt": "some-salt-of-it"});
    Kind::Secret.from_json(json).unwrap()
}

fn certificate(private_key: &str) -> Resource {
    let json = json!({"name": "c", "certificate": "shown", "private_key": private_key});
    Kind::Certificate.from_json(json).unwrap()
}

#[tokio::test]
async fn secrets_are_read_back_and_no_row_has_them_in_clear() {
    for database in Database::both().await {
        let store = database.open().await;
        let edits = vec![
            put(secret("a", VALUE)),
            put(certificate("a-private-key")),
            service("s", "/"),
        ];
        commit(&*store, edits).await;
        let changed = format!("{VALUE}-changed");
        commit(&*store, vec![put(secret("a", &changed)), delete("s")]).await;
        let (_, stored) = store.load().await.unwrap();
        let values: Vec<_> = stored
            .iter()
            .map(|it| it.resource.to_json().unwrap())
            .collect();
        assert_eq!(values[0]["private_key"], "a-private-key");
        assert_eq!(values[1]["value"], *changed);
        let history = store.changes_after(0).await.unwrap().unwrap();
        let (before, _) = history.last().unwrap().before.as_ref().unwrap();
        assert_eq!(before.to_json().unwrap()["value"], VALUE);
        let dump = database.dump().await;
        assert!(dump.contains("value.sealed"), "{dump}");
        for hidden in [VALUE, "a-private-key", "some-salt-of-it"] {
            assert!(!dump.contains(hidden), "{hidden}");
        }
    }
}

#[tokio::test]
async fn rotation_encrypts_everything_again_and_the_old_key_is_needed_no_longer() {
    for database in Database::both().await {
        let store = database.open().await;
        for count in 0..120 {
            let name = format!("s{count}");
            commit(&*store, vec![put(secret(&name, VALUE))]).await;
        }
        commit(&*store, vec![put(secret("s0", "another"))]).await;
        let new = generate().unwrap();
        let both = format!("{},{MASTER_KEY}", &*new);
        let store = database.open_with(&both).await.unwrap();
        let mut told = Vec::new();
        let rotated = rotate(&*store, |so_far| told.push(so_far)).await.unwrap();
        assert_eq!((rotated.done, rotated.left), (120 + 121, 0));
        assert_eq!(told.first().unwrap().left, 241);
        assert!(told.len() > 3, "in several transactions: {told:?}");
        let store = database.open_with(&new).await.unwrap();
        assert_eq!(store.outdated().await.unwrap(), 0);
        assert_eq!(store.load().await.unwrap().1.len(), 120);
        assert_eq!(store.changes_after(0).await.unwrap().unwrap().len(), 121);
        let refused = database.open_with(MASTER_KEY).await.unwrap_err();
        let known = store.master_key().unwrap();
        assert!(refused.to_string().contains(known), "{refused}");
        assert!(matches!(refused, StoreError::MasterKey(_)));
    }
}

#[tokio::test]
async fn without_a_master_key_no_secret_is_stored_and_with_one_what_was_in_clear_is_encrypted() {
    for database in Database::both().await {
        let store = database.open_with("").await.unwrap();
        let transaction = store.begin().await.unwrap();
        let refused = transaction.commit(vec![put(secret("a", VALUE))], Default::default());
        let refused = refused.await.unwrap_err();
        assert!(matches!(refused, StoreError::Sealed { .. }), "{refused}");
        // As a version without encryption has written them.
        commit(&*store, vec![service("a", "/")]).await;
        database
            .execute(
                "update change set kind = 'secret', sealed_with = null,
                 after = '{\"name\": \"a\", \"value\": \"a-value-that-nobody-finds\"}'",
            )
            .await;
        database
            .execute(
                "update resource set kind = 'secret', sealed_with = null,
                 body = '{\"name\": \"a\", \"value\": \"a-value-that-nobody-finds\"}'",
            )
            .await;
        let before = store.load().await.unwrap().1.remove(0);
        let store = database.open().await;
        assert_eq!(store.outdated().await.unwrap(), 2);
        assert_eq!(encrypt_plain(&*store).await.unwrap(), 2);
        assert_eq!(encrypt_plain(&*store).await.unwrap(), 0);
        let after = store.load().await.unwrap().1.remove(0);
        assert_eq!(
            (after.version, after.revision),
            (before.version, before.revision)
        );
        let rows = match &database {
            // The file still has what was written over.
            Database::Sqlite(_) => String::new(),
            Database::Postgres { .. } => database.dump().await,
        };
        assert!(!rows.contains(VALUE));
    }
}

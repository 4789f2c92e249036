use axum::http::StatusCode;
use gatewright_control_plane::store::Used;
use serde_json::{Value, json};

use super::server::Server;
use crate::store::database::Database;

async fn with_consumer() -> Server {
    let server = Server::start().await;
    let written = server.put("/v1/consumers/alice", json!({})).await;
    assert_eq!(written.status, StatusCode::CREATED);
    server
}

#[tokio::test]
async fn a_key_that_is_made_is_shown_once() {
    let server = with_consumer().await;
    let path = "/v1/consumers/alice/credentials";
    let expires = json!({"expires_at_ms": "2027-01-31T00:00:00Z"});
    let created = server.post(path, expires).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let credential = created.json();
    let key = credential["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("gw_") && key.len() == 43, "{key}");
    assert_eq!(credential["prefix"], key[..10]);
    assert_eq!(credential["expires_at_ms"], 1_801_353_600_000_u64);
    let name = credential["name"].as_str().unwrap();
    assert!(name.starts_with("alice-"), "{name}");
    assert_eq!(
        created.header("location"),
        format!("/v1/credentials/{name}")
    );

    let put = server
        .put("/v1/credentials/b", json!({"consumer": "alice"}))
        .await;
    let second = put.json()["key"].as_str().unwrap().to_owned();
    assert_ne!(key, second);
    let again = server
        .put("/v1/credentials/b", json!({"consumer": "alice"}))
        .await;
    assert_eq!(again.json().get("key"), None, "the stored one stays");
    assert_eq!(again.json()["digest"], put.json()["digest"]);
    for path in [
        path,
        "/v1/credentials",
        "/v1/export",
        "/v1/revisions/2",
        "/v1/revisions/3",
        "/v1/audit",
    ] {
        let text = server.get(path).await.text;
        assert!(
            !text.contains(&key) && !text.contains(&second),
            "{path}: {text}"
        );
    }
    let tried = server
        .post(&format!("{path}?dry_run=true"), json!({}))
        .await;
    assert_eq!(
        tried.json().get("key"),
        None,
        "it is not in force: {tried:?}"
    );
}

#[tokio::test]
async fn credentials_are_found_by_the_beginning_of_their_keys() {
    let server = with_consumer().await;
    for (name, key) in [
        ("a", "abcdefghijkl-and-more-than-that-there-is"),
        ("b", "abc-and-some-more"),
    ] {
        let credential = json!({"consumer": "alice", "key": key});
        server
            .put(&format!("/v1/credentials/{name}"), credential)
            .await;
    }
    for (prefix, expected) in [
        ("abc", vec!["a", "b"]),
        ("abcd", vec!["a"]),
        ("abcdefghij", vec!["a"]),
        ("abc-and-som", vec!["b"]),
        ("x", vec![]),
    ] {
        let path = format!("/v1/credentials?prefix={prefix}");
        assert_eq!(server.get(&path).await.names().0, expected, "{prefix}");
    }
    server
        .get("/v1/routes?prefix=a")
        .await
        .problem(400, "invalid_query");
}

#[tokio::test]
async fn hashes_of_keys_are_taken_over_and_wrong_requests_are_refused() {
    let server = with_consumer().await;
    let path = "/v1/consumers/alice/credentials";
    let digest = format!("sha256:{}", "ab".repeat(32));
    let imported = json!({"name": "old", "digest": digest, "prefix": "gk_12"});
    let created = server.post(path, imported).await.json();
    assert_eq!(
        (created.get("key"), &created["prefix"]),
        (None, &json!("gk_12"))
    );
    for (body, field) in [
        (json!({"consumer": "bob"}), "consumer"),
        (json!({"expires_at_ms": "tomorrow"}), "expires_at_ms"),
        (json!({"digest": "sha256:00"}), "digest"),
    ] {
        let problem: Value = server.post(path, body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let nobody = server
        .post("/v1/consumers/bob/credentials", json!({}))
        .await;
    nobody.problem(404, "not_found");
    let elsewhere = server.post("/v1/services/a/routes", json!({})).await;
    elsewhere.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn last_use_is_told_and_is_no_revision() {
    for database in Database::both().await {
        let store = database.open().await;
        let server = Server::on(database).await;
        server.put("/v1/consumers/alice", json!({})).await;
        let put = server
            .put("/v1/credentials/a", json!({"consumer": "alice"}))
            .await;
        let used = |credential: &str, at_ms| Used {
            credential: credential.to_owned(),
            at_ms,
        };
        store
            .used(&[used("a", 120_000), used("unknown", 60_000)])
            .await
            .unwrap();
        store.used(&[used("a", 60_000)]).await.unwrap();
        for path in ["/v1/credentials", "/v1/consumers/alice/credentials"] {
            let listed = server.get(path).await.json();
            assert_eq!(listed["items"][0]["last_used_at_ms"], 120_000, "{listed}");
        }
        let shown = server.get("/v1/credentials/a").await;
        assert_eq!(shown.json()["last_used_at_ms"], 120_000);
        assert_eq!(shown.header("etag"), put.header("etag"));
        let known = store.last_used(&["a", "unknown"]).await.unwrap();
        assert_eq!(known.len(), 1, "{known:?}");
        // What was read can be written back, and changes nothing.
        let mut same = shown.json();
        same.as_object_mut().unwrap().remove("name");
        let written = server.put("/v1/credentials/a", same).await;
        assert_eq!(written.revision(), put.revision());
        server.delete("/v1/credentials/a").await;
        store.forget_uses().await.unwrap();
        assert!(store.last_used(&["a"]).await.unwrap().is_empty());
    }
}

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::server::Server;

const KEY: &str = "a-key-that-nobody-sees";
const VALUE: &str = "a-value-that-nobody-sees";

async fn secrets() -> Server {
    let server = Server::start().await;
    let document = json!({
        "consumers": [{"name": "c"}],
        "credentials": [{"name": "k", "consumer": "c", "key": KEY}],
        "secrets": [{"name": "x", "value": VALUE}],
    });
    let applied = server.post("/v1/apply", document).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    assert!(!applied.text.contains(KEY) && !applied.text.contains(VALUE));
    server
}

#[tokio::test]
async fn what_is_write_only_is_never_shown() {
    let server = secrets().await;
    server
        .put("/v1/secrets/x", json!({"value": "another-value"}))
        .await;
    for path in [
        "/v1/credentials/k",
        "/v1/credentials",
        "/v1/consumers/c/credentials",
        "/v1/secrets/x",
        "/v1/secrets",
        "/v1/export",
        "/v1/revisions/1",
        "/v1/revisions/2",
        "/v1/revisions/diff?from=0&to=2",
    ] {
        let text = server.get(path).await.text;
        for hidden in [KEY, VALUE, "another-value"] {
            assert!(!text.contains(hidden), "{path}: {text}");
        }
    }
    let credential = server.get("/v1/credentials/k").await.json();
    assert_eq!(credential["prefix"], &KEY[..5]);
    assert!(
        credential["digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    let changed = server.get("/v1/revisions/2").await.json();
    assert_eq!(changed["changes"][0]["hidden"], json!(["value"]));
}

#[tokio::test]
async fn what_is_left_out_of_a_write_stays() {
    let server = secrets().await;
    let digest = server.get("/v1/credentials/k").await.json()["digest"].clone();
    let relabelled = json!({"consumer": "c", "labels": {"a": "b"}});
    let written = server.put("/v1/credentials/k", relabelled).await;
    assert_eq!(written.json()["digest"], digest, "{written:?}");
    let written = server.put("/v1/secrets/x", json!({})).await;
    assert_eq!((written.status, written.revision()), (StatusCode::OK, 2));
    let same = server.patch("/v1/credentials/k", json!({"key": KEY})).await;
    assert_eq!(
        (same.status, same.revision()),
        (StatusCode::OK, 2),
        "{same:?}"
    );
    let other = server
        .patch("/v1/credentials/k", json!({"key": "another-long-key"}))
        .await;
    assert_ne!(other.json()["digest"], digest);
    assert_eq!(other.json()["prefix"], "anot");
}

#[tokio::test]
async fn a_key_comes_without_a_digest_and_is_long_enough() {
    let server = secrets().await;
    for (credential, field) in [
        (
            json!({"consumer": "c", "key": KEY, "digest": "sha256:00"}),
            "digest",
        ),
        (json!({"consumer": "c", "key": "short"}), "key"),
    ] {
        let problem = server.put("/v1/credentials/new", credential).await;
        let problem: Value = problem.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert!(!problem.to_string().contains(KEY));
    }
}

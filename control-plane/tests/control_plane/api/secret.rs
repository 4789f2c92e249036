use axum::http::StatusCode;
use proptest::{
    prelude::Strategy as _,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::json;

use super::server::Server;
use crate::store::database::Database;

/// Everything that may be read.
const READABLE: &[&str] = &[
    "/v1/secrets",
    "/v1/secrets/s",
    "/v1/certificates",
    "/v1/credentials",
    "/v1/export",
    "/v1/revisions",
    "/v1/revisions/1",
    "/v1/revisions/2",
    "/v1/revisions/3",
    "/v1/revisions/4",
    "/v1/revisions/diff?from=0",
    "/v1/revisions/diff?from=4&to=1",
    "/v1/audit",
    "/v1/nodes",
    "/metrics",
];

#[tokio::test]
async fn whatever_the_secret_nothing_that_can_be_read_has_it_and_the_database_neither() {
    let mut runner = TestRunner::new(Config::default());
    for database in Database::both()
        .await
        .into_iter()
        .chain([Database::sqlite()])
    {
        let value = "[ -~]{12,60}".new_tree(&mut runner).unwrap().current();
        let key = "[!-~]{32,60}".new_tree(&mut runner).unwrap().current();
        let server = Server::on(database).await;
        let document = json!({
            "secrets": [{"name": "s", "value": value}],
            "consumers": [{"name": "c"}],
            "credentials": [{"name": "k", "consumer": "c", "key": key}],
        });
        let applied = server.post("/v1/apply", document).await;
        assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
        let other = format!("{value}-changed");
        let mut answers = vec![applied];
        answers.push(server.patch("/v1/secrets/s", json!({"value": other})).await);
        answers.push(
            server
                .put(
                    "/v1/secrets/s",
                    json!({"value": value, "labels": {"a": "b"}}),
                )
                .await,
        );
        answers.push(
            server
                .put("/v1/secrets/broken", json!({"value": value, "labels": 5}))
                .await,
        );
        answers.push(server.delete("/v1/secrets/s").await);
        for path in READABLE {
            answers.push(server.get(path).await);
        }
        let hidden = [&value, &key].map(|text| {
            let json = json!(text).to_string();
            json[1..json.len() - 1].to_owned()
        });
        for answer in &answers {
            for text in &hidden {
                assert!(!answer.text.contains(text), "{text}: {answer:?}");
                assert!(!answer.text.contains(&*value) && !answer.text.contains(&*key));
            }
        }
        let dump = server.database().dump().await;
        for text in hidden.iter().chain([&value, &key]) {
            assert!(!dump.contains(text.as_str()), "{text}");
        }
    }
}

#[tokio::test]
async fn a_version_tells_nothing_of_the_value() {
    let (one, two) = (Server::start().await, Server::start().await);
    let body = || json!({"value": "yes"});
    let first = one.put("/v1/secrets/s", body()).await;
    let second = two.put("/v1/secrets/s", body()).await;
    assert_ne!(
        first.header("etag"),
        second.header("etag"),
        "the same value"
    );
    let again = one.put("/v1/secrets/s", body()).await;
    assert_eq!(
        (first.header("etag"), again.revision()),
        (again.header("etag"), 1)
    );
    let chosen = one
        .put("/v1/secrets/t", json!({"value": "yes", "salt": "known"}))
        .await;
    let known = one.get("/v1/secrets/t").await;
    assert_eq!(known.json().get("salt"), None, "{known:?}");
    let same = two
        .put("/v1/secrets/t", json!({"value": "yes", "salt": "known"}))
        .await;
    assert_ne!(chosen.header("etag"), same.header("etag"));
}

#[tokio::test]
async fn without_a_master_key_secrets_are_refused_and_all_else_is_not() {
    let server = Server::with_master_key("").await;
    let problem = server
        .put("/v1/secrets/s", json!({"value": "a-value"}))
        .await;
    let problem = problem.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["code"], "no_master_key", "{problem}");
    assert_eq!(problem["errors"][0]["resource"], "secret/s");
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("GATEWRIGHT_MASTER_KEY")
    );
    let written = server.put("/v1/consumers/c", json!({})).await;
    assert_eq!(written.status, StatusCode::CREATED);
}

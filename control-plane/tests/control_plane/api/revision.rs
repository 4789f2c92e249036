use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use super::server::{Server, service};

/// Three revisions: `orders` with its route, `a`, and `a` changed.
async fn history() -> Server {
    let server = Server::with_orders().await;
    server.put("/v1/services/a", service("a")).await;
    let headers = [
        ("gatewright-comment", "another port"),
        ("content-type", "application/json"),
    ];
    let body = json!({"url": "http://127.0.0.1:2"}).to_string();
    let changed = server
        .call(Method::PUT, "/v1/services/a", &headers, body)
        .await;
    assert_eq!(changed.revision(), 3, "{changed:?}");
    server
}

fn keys(changes: &Value) -> Vec<(&str, &str)> {
    let changes = changes.as_array().unwrap().iter();
    changes
        .map(|it| (it["action"].as_str().unwrap(), it["name"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_history_tells_who_changed_what_and_what_for() {
    let server = history().await;
    let list = server.get("/v1/revisions?limit=2").await.json();
    let numbers = list["items"].as_array().unwrap().iter();
    let numbers: Vec<_> = numbers.map(|it| it["revision"].as_u64().unwrap()).collect();
    assert_eq!((numbers, &list["next"]), (vec![3, 2], &json!(2)));
    let rest = server.get("/v1/revisions?limit=2&before=2").await.json();
    assert_eq!(
        (&rest["items"][0]["revision"], &rest["next"]),
        (&json!(1), &Value::Null)
    );
    let last = server.get("/v1/revisions/3").await.json();
    assert_eq!(last["author"], "tester");
    assert_eq!(last["comment"], "another port");
    assert_eq!(last["changed"], 1);
    assert_eq!(keys(&last["changes"]), [("update", "a")]);
    assert_eq!(last["changes"][0]["before"]["url"], "http://127.0.0.1:1");
    for revision in ["4", "0", "x", "-1"] {
        let answer = server.get(&format!("/v1/revisions/{revision}")).await;
        answer.problem(404, "not_found");
    }
}

#[tokio::test]
async fn two_revisions_are_compared_either_way() {
    let server = history().await;
    let diff = async |from: u64, to: u64| {
        let path = format!("/v1/revisions/diff?from={from}&to={to}");
        server.get(&path).await.json()["changes"].clone()
    };
    assert_eq!(keys(&diff(1, 3).await), [("create", "a")]);
    assert_eq!(diff(1, 3).await[0]["after"]["url"], "http://127.0.0.1:2");
    assert_eq!(keys(&diff(3, 1).await), [("delete", "a")]);
    assert_eq!(keys(&diff(2, 3).await), [("update", "a")]);
    assert_eq!(diff(2, 2).await, json!([]));
    server.delete("/v1/services/a").await;
    assert_eq!(
        diff(1, 4).await,
        json!([]),
        "what came and went is no difference"
    );
    let missing = server.get("/v1/revisions/diff?to=2").await;
    missing.problem(400, "invalid_query");
    let ahead = server.get("/v1/revisions/diff?from=1&to=99").await;
    ahead.problem(404, "not_found");
}

#[tokio::test]
async fn reading_does_not_make_history() {
    let server = history().await;
    server
        .call(
            Method::POST,
            "/v1/apply?dry_run=true",
            &[],
            Body::from("{}"),
        )
        .await;
    assert_eq!(server.get("/v1/export").await.revision(), 3);
}

//! Who asked for which change.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn every_write_is_listed_with_who_what_and_what_came_of_it() {
    let server = Server::start().await;
    let path = "/v1/services/a";
    let headers = [
        ("content-type", "application/json"),
        ("gatewright-comment", "why"),
        ("x-request-id", "request-1"),
    ];
    let good = json!({"url": "http://127.0.0.1:1"}).to_string();
    let bad = json!({"upstream": "none"}).to_string();
    let put = async |path: &str, body: &str| {
        let answer = server.call(Method::PUT, path, &headers, body.to_owned());
        answer.await.status
    };
    assert_eq!(put(path, &good).await, StatusCode::CREATED);
    assert_eq!(put(path, &good).await, StatusCode::OK);
    assert_eq!(put(path, &bad).await, StatusCode::UNPROCESSABLE_ENTITY);
    let tried = put("/v1/services/b?dry_run=true", &good).await;
    assert!(tried.is_success(), "{tried}");

    let answer = server.get("/v1/audit").await;
    let list: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    let items = list["items"].as_array().unwrap();
    let outcomes: Vec<_> = items.iter().map(|it| it["outcome"].as_str()).collect();
    assert_eq!(
        outcomes,
        [Some("invalid"), Some("unchanged"), Some("committed")]
    );
    let first = &items[2];
    assert_eq!(first["author"], "tester");
    assert_eq!(first["action"], "PUT /v1/services/a");
    assert_eq!(first["request_id"], "request-1");
    assert_eq!(first["comment"], "why");
    assert_eq!(first["revision"], 1);
    assert_eq!(first["resources"], json!(["service/a"]));

    let answer = server.get("/v1/audit?resource=service/b").await;
    assert!(answer.text.contains("\"items\":[]"), "{answer:?}");
    let answer = server.get("/v1/audit?limit=1").await;
    let page: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    let next = page["next"].as_u64().unwrap();
    let answer = server
        .get(&format!("/v1/audit?limit=1&before={next}"))
        .await;
    assert!(answer.text.contains("unchanged"), "{answer:?}");
}

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::json;

use super::server::{Server, route};

#[tokio::test]
async fn a_write_goes_on_only_at_the_version_that_was_read() {
    let server = Server::with_orders().await;
    let tag = server
        .get("/v1/routes/orders")
        .await
        .header("etag")
        .to_owned();
    let write = async |method: Method, name: &str, value: &str| {
        let mut changed = route("orders");
        changed["hosts"] = json!([format!("{}.example.com", method.as_str().to_lowercase())]);
        let headers = [("content-type", "application/json"), (name, value)];
        let body = changed.to_string();
        server
            .call(method, "/v1/routes/orders", &headers, body)
            .await
    };
    let first = write(Method::PUT, "if-match", &tag).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_ne!(first.header("etag"), tag);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let stale = write(method, "if-match", &tag).await;
        stale.problem(412, "precondition_failed");
    }
    let exists = write(Method::PUT, "if-none-match", "*").await;
    exists.problem(412, "precondition_failed");
    let fresh = write(Method::PATCH, "if-match", first.header("etag")).await;
    assert_eq!(fresh.status, StatusCode::OK);
    let path = "/v1/routes/orders";
    let headers = [("if-match", fresh.header("etag"))];
    let deleted = server
        .call(Method::DELETE, path, &headers, Body::empty())
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let gone = write(Method::PUT, "if-match", "*").await;
    gone.problem(412, "precondition_failed");
    let created = write(Method::PUT, "if-none-match", "*").await;
    assert_eq!(created.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let server = Server::with_orders().await;
    let read = server.get("/v1/routes/orders").await;
    let headers = [("if-none-match", read.header("etag"))];
    let path = "/v1/routes/orders";
    let again = server
        .call(Method::GET, path, &headers, Body::empty())
        .await;
    assert_eq!(
        (again.status, again.text.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
    assert_eq!(again.header("etag"), read.header("etag"));
}

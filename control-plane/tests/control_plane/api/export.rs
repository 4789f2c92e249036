use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::json;

use super::server::{Server, route, service};

#[tokio::test]
async fn what_was_exported_can_be_applied_and_changes_nothing() {
    let server = Server::with_orders().await;
    let more = json!({
        "consumers": [{"name": "c"}],
        "credentials": [{"name": "k", "consumer": "c", "key": "a-long-enough-key"}],
        "secrets": [{"name": "x", "value": "hidden-value"}],
        "plugins": [{"name": "p", "type": "key-auth", "attach": {"route": "orders"}}],
    });
    let applied = server.post("/v1/apply", more).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    let export = server.get("/v1/export").await;
    assert!(!export.text.contains("hidden-value") && !export.text.contains("a-long-enough"));
    let again = server.post("/v1/apply?prune=true", export.json()).await;
    assert_eq!(
        (again.status, again.revision()),
        (StatusCode::OK, 2),
        "{again:?}"
    );
    let headers = [("accept", "application/yaml")];
    let yaml = server
        .call(Method::GET, "/v1/export", &headers, Body::empty())
        .await;
    assert_eq!(yaml.header("content-type"), "application/yaml");
    let headers = [("content-type", "application/yaml")];
    let path = "/v1/apply?prune=true";
    let again = server.call(Method::POST, path, &headers, yaml.text).await;
    assert_eq!(
        (again.status, again.revision()),
        (StatusCode::OK, 2),
        "{again:?}"
    );
}

#[tokio::test]
async fn an_export_may_be_of_some_kinds_and_labels() {
    let server = Server::with_orders().await;
    let mut labelled = service("labelled");
    labelled["labels"] = json!({"team": "a"});
    server.post("/v1/services", labelled.clone()).await;
    let some = server.get("/v1/export?label=team=a").await.json();
    assert_eq!(some, json!({"services": [labelled]}));
    let some = server.get("/v1/export?kind=routes").await.json();
    assert_eq!(some, json!({"routes": [route("orders")]}));
    let odd = server.get("/v1/export?kind=rout").await;
    odd.problem(404, "not_found");
}

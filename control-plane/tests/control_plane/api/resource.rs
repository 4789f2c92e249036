use axum::http::{Method, StatusCode};
use serde_json::json;

use super::server::{Server, route, service};

#[tokio::test]
async fn a_resource_is_created_read_replaced_changed_and_deleted() {
    let server = Server::start().await;
    let created = server
        .put("/v1/services/orders", json!({"url": "http://127.0.0.1:1"}))
        .await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    assert_eq!((created.json(), created.revision()), (service("orders"), 1));
    let replacement = json!({"url": "http://127.0.0.1:2", "connect_timeout_ms": "1s"});
    let replaced = server.put("/v1/services/orders", replacement).await;
    assert_eq!(replaced.status, StatusCode::OK);
    assert_eq!(replaced.json()["connect_timeout_ms"], 1000);
    let patch = json!({"connect_timeout_ms": null, "labels": {"team": "a"}});
    let patched = server.patch("/v1/services/orders", patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{patched:?}");
    let read = server.get("/v1/services/orders").await;
    assert_eq!((read.status, read.revision()), (StatusCode::OK, 3));
    let expected = json!({"name": "orders", "url": "http://127.0.0.1:2", "labels": {"team": "a"}});
    assert_eq!(read.json(), expected);
    let deleted = server.delete("/v1/services/orders").await;
    assert_eq!(
        (deleted.status, deleted.revision()),
        (StatusCode::NO_CONTENT, 4)
    );
    server
        .get("/v1/services/orders")
        .await
        .problem(404, "not_found");
    server
        .delete("/v1/services/orders")
        .await
        .problem(404, "not_found");
    let patched = server.patch("/v1/services/orders", json!({})).await;
    patched.problem(404, "not_found");
}

#[tokio::test]
async fn a_resource_is_created_only_once() {
    let server = Server::start().await;
    let created = server.post("/v1/services", service("orders")).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.header("location"), "/v1/services/orders");
    let again = server.post("/v1/services", service("orders")).await;
    again.problem(409, "already_exists");
    let nameless = server
        .post("/v1/services", json!({"url": "http://127.0.0.1:1"}))
        .await;
    assert_eq!(
        nameless.problem(422, "invalid")["errors"][0]["field"],
        "name"
    );
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_revision() {
    let server = Server::with_orders().await;
    let same = server.put("/v1/services/orders", service("orders")).await;
    assert_eq!((same.status, same.revision()), (StatusCode::OK, 1));
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_and_changes_nothing() {
    let server = Server::with_orders().await;
    let tried = server
        .put("/v1/routes/new?dry_run=true", json!({"service": "orders"}))
        .await;
    assert_eq!((tried.status, tried.revision()), (StatusCode::CREATED, 1));
    assert_eq!(tried.json()["name"], "new");
    server.get("/v1/routes/new").await.problem(404, "not_found");
    let tried = server.delete("/v1/services/orders?dry_run=true").await;
    tried.problem(409, "still_referenced");
}

#[tokio::test]
async fn the_name_in_the_body_is_that_in_the_path_and_cannot_be_patched() {
    let server = Server::with_orders().await;
    let other = server.put("/v1/routes/other", route("orders")).await;
    assert_eq!(other.problem(422, "invalid")["errors"][0]["field"], "name");
    let renamed = server
        .patch("/v1/routes/orders", json!({"name": "other"}))
        .await;
    assert_eq!(
        renamed.problem(422, "invalid")["errors"][0]["field"],
        "name"
    );
    let odd = server
        .put("/v1/services/a%20b", json!({"url": "http://127.0.0.1:1"}))
        .await;
    odd.problem(422, "invalid");
    let list = server.patch("/v1/routes/orders", json!([])).await;
    list.problem(422, "invalid");
}

#[tokio::test]
async fn yaml_is_read_as_well() {
    let server = Server::start().await;
    let yaml = "url: http://127.0.0.1:1\nrequest_timeout_ms: 2s\n";
    let headers = [("content-type", "application/yaml; charset=utf-8")];
    let written = server
        .call(Method::PUT, "/v1/services/a", &headers, yaml)
        .await;
    assert_eq!(written.status, StatusCode::CREATED, "{written:?}");
    assert_eq!(written.json()["request_timeout_ms"], 2000);
}

#[tokio::test]
async fn all_kinds_can_be_written() {
    let server = Server::start().await;
    let document = json!({
        "upstreams": [{"name": "u"}],
        "targets": [{"name": "t", "upstream": "u", "address": "127.0.0.1:1"}],
        "services": [{"name": "s", "upstream": "u"}],
        "routes": [route("s")],
        "consumer_groups": [{"name": "g"}],
        "consumers": [{"name": "c", "groups": ["g"]}],
        "credentials": [{"name": "k", "consumer": "c", "key": "a-long-enough-key"}],
        "plugins": [{"name": "p", "type": "key-auth", "attach": {"route": "s"}}],
        "secrets": [{"name": "x", "value": "v"}],
    });
    let applied = server.post("/v1/apply", document.clone()).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    for (plural, items) in document.as_object().unwrap() {
        let name = items[0]["name"].as_str().unwrap();
        let read = server.get(&format!("/v1/{plural}/{name}")).await;
        assert_eq!(read.status, StatusCode::OK, "{plural}");
    }
}

//! What an attacker sends.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use serde_json::json;

use super::server::{AGENT, Server};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

/// Levels of ten aliases each, of a text of this many bytes.
fn bomb(levels: usize, bytes: usize) -> String {
    let mut yaml = format!("l0: &l0 [{}]\n", "x".repeat(bytes));
    for level in 1..=levels {
        let alias = format!("*l{}", level - 1);
        let aliases = vec![alias; 10].join(", ");
        yaml.push_str(&format!("l{level}: &l{level} [{aliases}]\n"));
    }
    yaml
}

/// Bodies of `POST /v1/apply` that are small or plain to write, and not to read.
fn bodies() -> Vec<(&'static str, &'static str, String)> {
    let deep = |open: &str, close: &str| {
        format!(
            "{{\"routes\": {}{}}}",
            open.repeat(50_000),
            close.repeat(50_000)
        )
    };
    vec![
        ("deep lists", JSON, deep("[", "]")),
        ("deep objects", JSON, deep("{\"a\":", "}")),
        ("a deep list that does not end", JSON, "[".repeat(1_000_000)),
        (
            "objects that take much memory",
            JSON,
            format!("[{}0]", "{\"\":0},".repeat(1_200_000)),
        ),
        (
            "a name twice",
            JSON,
            "{\"routes\": [], \"routes\": []}".to_owned(),
        ),
        (
            "a name twice, escaped",
            JSON,
            "{\"routes\": [], \"rout\\u0065s\": []}".to_owned(),
        ),
        ("half a surrogate pair", JSON, "{\"\\ud800\": 0}".to_owned()),
        ("two documents", JSON, "{}{}".to_owned()),
        ("no UTF-8", JSON, "{\"a\": \"\u{0}\"}".to_owned()),
        ("deep flow lists", YAML, "[".repeat(100_000)),
        ("deep block lists", YAML, "- ".repeat(100_000)),
        ("many aliases", YAML, bomb(9, 1)),
        ("aliases of a long text", YAML, bomb(4, 200_000)),
        ("an alias of itself", YAML, "a: &a [*a]".to_owned()),
        ("a name twice", YAML, "routes: []\nroutes: []\n".to_owned()),
        ("two documents", YAML, "{}\n---\n{}\n".to_owned()),
    ]
}

#[tokio::test]
async fn documents_that_are_dear_or_have_two_readings_are_refused() {
    let server = Server::start().await;
    for (what, content_type, body) in bodies() {
        let headers = [("content-type", content_type)];
        let refused = server.call(Method::POST, "/v1/apply", &headers, body).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{content_type}: {what}"
        );
        let code = match content_type {
            JSON => "invalid_json",
            _ => "invalid_yaml",
        };
        refused.problem(400, code);
    }
    assert_eq!(server.get("/v1/export").await.revision(), 0);
}

#[tokio::test]
async fn plain_anchors_and_large_documents_are_read() {
    let server = Server::start().await;
    let yaml = "upstreams:\n- {name: a, labels: &l {team: x}}\n- {name: b, labels: *l}\n";
    let headers = [("content-type", YAML)];
    let applied = server.call(Method::POST, "/v1/apply", &headers, yaml).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    let services: Vec<_> = (0..5000)
        .map(|number| json!({"name": format!("s{number}"), "url": "http://127.0.0.1:1", "labels": {"a": "b"}}))
        .collect();
    let applied = server
        .post("/v1/apply", json!({"services": services}))
        .await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
}

#[tokio::test]
async fn what_means_something_to_a_parser_is_a_name_like_others() {
    let server = Server::start().await;
    let body = json!({"$serde_json::private::RawValue": "{\"upstreams\": [{\"name\": \"a\"}]}"});
    let refused = server.post("/v1/apply", body).await;
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{refused:?}"
    );
}

/// Of a token that may only register with `orders`.
#[tokio::test]
async fn no_spelling_of_a_path_leads_a_token_out_of_its_upstream() {
    let server = Server::start().await;
    for upstream in ["orders", "users"] {
        server
            .put(&format!("/v1/upstreams/{upstream}"), json!({}))
            .await;
    }
    for path in [
        "/v1/upstreams/users/registrations/a",
        "/v1/upstreams/%6frders/registrations/a",
        "/v1/upstreams/%75sers/registrations/a",
        "/v1/upstreams/orders/../users/registrations/a",
        "/v1/upstreams/orders%2f..%2fusers/registrations/a",
        "/v1/upstreams/orders/registrations/..%2f..%2fusers",
        "/v1/upstreams/orders/registrations/%2e%2e",
        "/v1/upstreams/orders/registrations/..",
        "/v1/upstreams/orders/registrations/a%00b",
        "/v1/upstreams/orders/registrations/a/heartbeat/x",
        "//v1/upstreams/orders/registrations/a",
        "/v1//upstreams/orders/registrations/a",
        "/v1/upstreams/orders//registrations/a",
        "/V1/upstreams/orders/registrations/a",
        "/v1/upstreams/orders;users/registrations/a",
        "/v1/upstreams/ORDERS/registrations/a",
        "/v1/upstreams/orders/targets",
        "/v1/targets/registered.orders.a",
    ] {
        let request = Request::builder().method(Method::PUT).uri(path);
        let request = request.header("authorization", format!("Bearer {AGENT}"));
        let request = request.header("content-type", JSON);
        let body = json!({"address": "a:80", "upstream": "users"});
        let answer = server
            .send(request.body(Body::from(body.to_string())).unwrap())
            .await;
        assert!(answer.status.is_client_error(), "{path}: {answer:?}");
    }
    let targets = server.get("/v1/targets").await.names();
    assert_eq!(targets, (Vec::new(), None));
}

#[tokio::test]
async fn two_tokens_are_none() {
    let server = Server::start().await;
    let request = Request::builder().uri("/v1/routes");
    let token = format!("Bearer {}", super::server::TOKEN);
    let request = request.header("authorization", &token);
    let request = request.header("authorization", &token);
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    answer.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_long_path_is_cut_where_it_is_written_down() {
    let server = Server::start().await;
    let path = format!("/v1/services/{}", "x".repeat(20_000));
    server.delete(&path).await.problem(404, "not_found");
    let audited = server.get("/v1/audit").await.json();
    let action = audited["items"][0]["action"].as_str().unwrap();
    assert!(action.len() < 600, "{}", action.len());
}

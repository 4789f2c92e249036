use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use serde_json::json;

use super::server::{Server, service};

#[tokio::test]
async fn an_unknown_field_is_named_with_what_was_meant() {
    let server = Server::with_orders().await;
    let problem = server
        .put(
            "/v1/routes/a",
            json!({"servise": "orders", "paths": [{"prefixx": "/"}]}),
        )
        .await;
    let problem = problem.problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{problem}");
    let error = errors.iter().find(|error| error["field"] == "servise");
    let error = error.unwrap();
    assert_eq!(error["code"], "unknown_field");
    let reason = "unknown field `servise`; did you mean `service`?";
    assert_eq!(
        (&error["reason"], &error["resource"]),
        (&json!(reason), &json!("route/a"))
    );
}

#[tokio::test]
async fn an_unknown_field_hides_nothing_else_that_is_wrong() {
    let server = Server::with_orders().await;
    let found = async |path: &str, resource: serde_json::Value| {
        let problem = server.put(path, resource).await.problem(422, "invalid");
        let errors = problem["errors"].as_array().unwrap().iter();
        let fields = errors.map(|error| error["field"].as_str().unwrap().to_owned());
        let mut fields: Vec<String> = fields.collect();
        fields.sort();
        fields
    };
    let route = json!({"servise": "orders", "paths": [{"prefix": "no"}], "methods": ["G T"]});
    // Not that `service` is missing.
    let expected = ["methods[0]", "paths[0]", "servise"];
    assert_eq!(found("/v1/routes/a", route).await, expected);
    let route = json!({"service": "none", "hostz": []});
    assert_eq!(found("/v1/routes/a", route).await, ["hostz", "service"]);
    let plugin = json!({
        "type": "rate-limit", "attach": {"global": true}, "modes": "shadow",
        "settings": {"limits": [{"requests": 0, "per": "1m"}]},
    });
    let expected = ["modes", "settings.limits[0].requests"];
    assert_eq!(found("/v1/plugins/a", plugin).await, expected);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_says_where() {
    let server = Server::start().await;
    let send = async |content_type: &str, body: &str| {
        let headers = [("content-type", content_type)];
        let body = body.to_owned();
        server
            .call(Method::PUT, "/v1/services/a", &headers, body)
            .await
    };
    let problem = send("application/json", "{\n\"url\": }").await;
    let problem = problem.problem(400, "invalid_json");
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("line 2 column 8"),
        "{problem}"
    );
    let problem = send("application/yaml", "url: [\n").await;
    let problem = problem.problem(400, "invalid_yaml");
    assert!(
        problem["message"].as_str().unwrap().contains("line"),
        "{problem}"
    );
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
    ] {
        let problem = send(content_type, "{}").await;
        problem.problem(415, "unsupported_content_type");
    }
    let headers = [("content-type", "application/yaml")];
    let patched = server
        .call(Method::PATCH, "/v1/services/a", &headers, "{}")
        .await;
    patched.problem(415, "unsupported_content_type");
}

#[tokio::test]
async fn bodies_and_resources_have_a_largest_size() {
    let server = Server::start().await;
    let headers = [("content-type", "application/json")];
    let body = vec![b' '; 10 * 1024 * 1024 + 1];
    let problem = server.call(Method::POST, "/v1/apply", &headers, body).await;
    problem.problem(413, "body_too_large");
    let value = "x".repeat(1024 * 1024);
    let problem = server.put("/v1/secrets/a", json!({"value": value})).await;
    let problem = problem.problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap().iter();
    let codes: Vec<_> = errors
        .map(|error| error["code"].as_str().unwrap())
        .collect();
    assert!(codes.contains(&"too_large"), "{problem}");
}

#[tokio::test]
async fn unknown_paths_kinds_and_methods_are_problems() {
    let server = Server::start().await;
    server.get("/nowhere").await.problem(404, "unknown_path");
    server
        .get("/v1/services/a/b/c")
        .await
        .problem(404, "unknown_path");
    let problem = server.get("/v1/service").await.problem(404, "not_found");
    assert!(
        problem["message"].as_str().unwrap().contains("`services`"),
        "{problem}"
    );
    let call =
        async |method: Method, path: &str| server.call(method, path, &[], Body::empty()).await;
    call(Method::POST, "/v1/services/a")
        .await
        .problem(405, "method_not_allowed");
    call(Method::DELETE, "/v1/services")
        .await
        .problem(405, "method_not_allowed");
    call(Method::GET, "/v1/apply")
        .await
        .problem(405, "method_not_allowed");
    call(Method::POST, "/healthz")
        .await
        .problem(405, "method_not_allowed");
    let problem = server.put("/v1/services/a?wiat=5s", service("a")).await;
    problem.problem(400, "invalid_query");
    let problem = server.put("/v1/services/a?wait=5", service("a")).await;
    problem.problem(400, "invalid_query");
    let long = "x".repeat(1025);
    let headers = [("gatewright-comment", long.as_str())];
    let problem = server
        .call(Method::DELETE, "/v1/services/a", &headers, Body::empty())
        .await;
    problem.problem(400, "invalid_header");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    assert!(
        !server
            .get("/v1/nodes")
            .await
            .header("x-request-id")
            .is_empty()
    );
    let headers = [("x-request-id", "mine")];
    let answer = server
        .call(Method::GET, "/healthz", &headers, Body::empty())
        .await;
    assert_eq!(answer.header("x-request-id"), "mine");
    let headers = [("x-request-id", "with space")];
    let answer = server
        .call(Method::GET, "/nowhere", &headers, Body::empty())
        .await;
    assert_ne!(answer.header("x-request-id"), "with space");
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_without_its_words() {
    let server = Server::with_orders().await;
    server.database().execute("delete from revision").await;
    for path in ["/v1/routes/orders", "/readyz"] {
        let problem = server.get(path).await.problem(503, "store_unavailable");
        assert!(!problem.to_string().contains("table"), "{problem}");
    }
    let problem = server.put("/v1/services/a", service("a")).await;
    problem.problem(503, "store_unavailable");
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
}

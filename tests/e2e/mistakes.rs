//! What the admin API says of mistakes.

use gatewright_tests::{
    control_plane::TestControlPlane,
    http::Answer,
    upstream::{Upstream, route},
};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

/// A control plane with the service `echo` and the route `base`.
async fn start() -> (TestControlPlane, Upstream, TempDir) {
    let (upstream, dir) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let database = format!("sqlite:{}", dir.path().join("store.db").display());
    let control_plane = TestControlPlane::start(&database).await;
    let document = json!({"services": [upstream.service()], "routes": [route("base", "/base")]});
    control_plane.admin.apply(&document).await;
    (control_plane, upstream, dir)
}

#[tokio::test]
async fn an_apply_with_three_mistakes_reports_all_three_and_changes_nothing() {
    let (control_plane, _upstream, _dir) = start().await;
    let admin = &control_plane.admin;
    let before = admin.get("/v1/export").await;
    let document = json!({
        "services": [{"name": "good", "url": "http://127.0.0.1:1"},
            {"name": "typo", "url": "http://127.0.0.1:1", "retires": {}}],
        "routes": [{"name": "dangling", "service": "nowhere", "paths": [{"prefix": "/a"}]}],
        "plugins": [{"name": "odd", "type": "rate-limits", "attach": {"route": "base"}}],
    });
    let answer = admin.send(Method::POST, "/v1/apply", &document).await;
    let problem = answer.problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 3, "{problem}");
    for place in ["typo", "dangling", "odd"] {
        let named = |error: &serde_json::Value| error.to_string().contains(place);
        assert!(errors.iter().any(named), "{place}: {problem}");
    }
    let after = admin.get("/v1/export").await;
    assert_eq!((after.revision, after.text), (before.revision, before.text));
}

#[tokio::test]
async fn an_unknown_field_and_a_dangling_reference_are_named() {
    let (control_plane, _upstream, _dir) = start().await;
    let mut unknown = route("new", "/new");
    unknown["strip_prefixes"] = json!(true);
    let mut dangling = route("new", "/new");
    dangling["service"] = json!("nowhere");
    let expected = [
        (unknown, "unknown_field", "strip_prefixes"),
        (dangling, "dangling_reference", "service"),
    ];
    for (body, code, field) in expected {
        let admin = &control_plane.admin;
        let answer = admin.send(Method::PUT, "/v1/routes/new", &body).await;
        let error = &answer.problem(422, "invalid")["errors"][0];
        assert_eq!(error["code"], code, "{error}");
        assert!(error["field"].as_str().unwrap().contains(field), "{error}");
    }
}

#[tokio::test]
async fn a_write_to_an_older_version_is_refused() {
    let (control_plane, _upstream, _dir) = start().await;
    let admin = &control_plane.admin;
    let tag = admin.get("/v1/routes/base").await.etag;
    let put = async |tag: &str, path: &str| {
        let request = admin.request(Method::PUT, "/v1/routes/base");
        let request = request.header("if-match", tag).json(&route("base", path));
        Answer::to(request).await.unwrap()
    };
    assert_eq!(put(&tag, "/second").await.status, 200);
    put(&tag, "/third")
        .await
        .problem(412, "precondition_failed");
    let kept = admin.get("/v1/routes/base").await.json();
    assert_eq!(kept["paths"][0]["prefix"], "/second");
}

#[tokio::test]
async fn broken_json_no_token_and_too_large_a_body_are_refused() {
    let (control_plane, _upstream, _dir) = start().await;
    let admin = &control_plane.admin;
    let send = async |body: Vec<u8>| {
        let request = admin.request(Method::POST, "/v1/apply");
        let request = request.header("content-type", "application/json");
        Answer::to(request.body(body)).await.unwrap()
    };
    send(b"{\"routes\": [".to_vec())
        .await
        .problem(400, "invalid_json");
    send(vec![b' '; (10 << 20) + 1])
        .await
        .problem(413, "body_too_large");
    let anonymous = admin.anonymous(Method::GET, "/v1/routes");
    let answer = Answer::to(anonymous).await.unwrap();
    answer.problem(401, "unauthorized");
}

#[tokio::test]
async fn what_others_refer_to_is_not_deleted() {
    let (control_plane, _upstream, _dir) = start().await;
    let admin = &control_plane.admin;
    let request = admin.request(Method::DELETE, "/v1/services/echo");
    let problem = Answer::to(request)
        .await
        .unwrap()
        .problem(409, "still_referenced");
    let errors = problem["errors"].to_string();
    assert!(errors.contains("route/base"), "{problem}");
    admin.get("/v1/services/echo").await;
}

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{Answer, Server, route, service};

/// Actions and keys of a plan.
fn plan(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let json = answer.json();
    let changes = json["changes"].as_array().unwrap().iter();
    let text = |change: &Value, field: &str| change[field].as_str().unwrap().to_owned();
    let line = |it| {
        (
            text(it, "action"),
            format!("{}/{}", text(it, "kind"), text(it, "name")),
        )
    };
    changes.map(line).collect()
}

fn lines(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(action, key): &(&str, &str)| ((*action).to_owned(), (*key).to_owned());
    expected.iter().map(owned).collect()
}

#[tokio::test]
async fn three_mistakes_are_all_reported_and_nothing_is_changed() {
    let server = Server::with_orders().await;
    let before = server.get("/v1/export").await;
    let document = json!({
        "services": [service("good"), {"name": "typo", "url": "http://127.0.0.1:1", "pathh": "/"}],
        "routes": [{"name": "dangling", "service": "nowhere"}],
        "plugins": [{"name": "odd", "type": "rate-limits", "attach": {"route": "orders"}}],
    });
    let problem = server.post("/v1/apply", document).await;
    let problem = problem.problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap().iter();
    let mut places: Vec<_> = errors
        .map(|it| {
            (
                it["resource"].as_str().unwrap(),
                it["field"].as_str().unwrap(),
            )
        })
        .collect();
    places.sort_unstable();
    let expected = [
        ("plugin/odd", "type"),
        ("route/dangling", "service"),
        ("service/typo", "pathh"),
    ];
    assert_eq!(places, expected, "{problem}");
    let after = server.get("/v1/export").await;
    assert_eq!(
        (after.text.as_str(), after.revision()),
        (before.text.as_str(), 1)
    );
}

#[tokio::test]
async fn a_dry_run_answers_with_the_plan() {
    let server = Server::with_orders().await;
    let mut changed = route("orders");
    changed["hosts"] = json!(["a.example.com"]);
    let document = json!({
        "services": [service("orders"), service("more")],
        "routes": [changed],
    });
    let tried = server
        .post("/v1/apply?dry_run=true", document.clone())
        .await;
    let expected = lines(&[
        ("create", "service/more"),
        ("update", "route/orders"),
        ("unchanged", "service/orders"),
    ]);
    assert_eq!(plan(&tried), expected);
    assert_eq!(
        (
            tried.json()["revision"].clone(),
            tried.json()["dry_run"].clone()
        ),
        (json!(1), json!(true))
    );
    let update = &tried.json()["changes"][1];
    assert_eq!(update["before"]["hosts"], Value::Null);
    assert_eq!(update["after"]["hosts"], json!(["a.example.com"]));
    server
        .get("/v1/services/more")
        .await
        .problem(404, "not_found");
    let done = server.post("/v1/apply", document).await;
    assert_eq!((plan(&done), done.revision()), (expected, 2));
}

#[tokio::test]
async fn pruning_deletes_what_is_absent_within_the_labels() {
    let server = Server::start().await;
    let labelled = |name: &str, team: &str| {
        let mut one = service(name);
        one["labels"] = json!({"team": team});
        one
    };
    let all = json!({"services": [labelled("a1", "a"), labelled("a2", "a"), labelled("b1", "b")]});
    server.post("/v1/apply", all).await;
    let document = json!({"services": [labelled("a1", "a")]});
    let pruned = server
        .post("/v1/apply?prune=true&label=team=a", document.clone())
        .await;
    let expected = lines(&[("delete", "service/a2"), ("unchanged", "service/a1")]);
    assert_eq!(plan(&pruned), expected);
    server.get("/v1/services/b1").await.json();
    let pruned = server.post("/v1/apply?prune=true", document.clone()).await;
    let expected = lines(&[("delete", "service/b1"), ("unchanged", "service/a1")]);
    assert_eq!(plan(&pruned), expected);
    let without = server.post("/v1/apply?label=team=a", document).await;
    without.problem(400, "invalid_query");
}

#[tokio::test]
async fn a_document_may_be_yaml_and_nest_plugins() {
    let server = Server::with_orders().await;
    let yaml = "routes:\n- name: orders\n  service: orders\n  plugins:\n  - type: cors\n    settings: {origins: [\"https://a.example.com\"]}\n";
    let headers = [("content-type", "application/yaml")];
    let applied = server.call(Method::POST, "/v1/apply", &headers, yaml).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    let plugin = server.get("/v1/plugins/orders-cors").await.json();
    assert_eq!(plugin["attach"], json!({"route": "orders"}));
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let server = Server::start().await;
    for (document, field) in [
        (json!([]), ""),
        (json!({"route": []}), "route"),
        (json!({"routes": {}}), "routes"),
    ] {
        let problem = server.post("/v1/apply", document).await;
        assert_eq!(problem.problem(422, "invalid")["errors"][0]["field"], field);
    }
    let twice = json!({"services": [service("a"), service("a")]});
    let problem = server.post("/v1/apply", twice).await;
    assert_eq!(
        problem.problem(422, "invalid")["errors"][0]["code"],
        "duplicate"
    );
}

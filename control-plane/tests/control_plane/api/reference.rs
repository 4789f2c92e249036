use axum::http::StatusCode;
use serde_json::json;

use super::server::{Server, route, service};

#[tokio::test]
async fn what_is_referred_to_is_not_deleted_and_all_referrers_are_named() {
    let server = Server::with_orders().await;
    let second = json!({"service": "orders", "paths": [{"exact": "/second"}]});
    server.put("/v1/routes/second", second).await;
    let plugin = json!({"type": "key-auth", "attach": {"service": "orders"}});
    server.put("/v1/plugins/auth", plugin).await;
    let problem = server.delete("/v1/services/orders").await;
    let problem = problem.problem(409, "still_referenced");
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
        ("plugin/auth", "attach.service"),
        ("route/orders", "service"),
        ("route/second", "service"),
    ];
    assert_eq!(places, expected);
    assert!(
        problem["message"]
            .as_str()
            .unwrap()
            .contains("`route/second`")
    );
    assert_eq!(
        server.get("/v1/services/orders").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_service_that_gets_a_share_copies_or_what_is_left_is_not_deleted() {
    let server = Server::start().await;
    for name in ["a", "b", "c", "old"] {
        let url = format!("http://{name}");
        server
            .put(&format!("/v1/services/{name}"), json!({"url": url}))
            .await;
    }
    let split = json!({"split": {"backends": [{"service": "a"}, {"service": "b"}]},
        "mirrors": [{"service": "c"}], "paths": [{"exact": "/split"}]});
    let taken =
        json!({"service": "a", "strangler": {"legacy": "old"}, "paths": [{"exact": "/taken"}]});
    for (name, route) in [("split", split), ("taken", taken)] {
        let answer = server.put(&format!("/v1/routes/{name}"), route).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    for (service, resource, field) in [
        ("b", "route/split", "split.backends[1].service"),
        ("c", "route/split", "mirrors[0].service"),
        ("old", "route/taken", "strangler.legacy"),
    ] {
        let problem = server.delete(&format!("/v1/services/{service}")).await;
        let problem = problem.problem(409, "still_referenced");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["resource"], &error["field"]),
            (&json!(resource), &json!(field))
        );
    }
    let told = server.get("/v1/routes/taken/strangler").await.json();
    assert_eq!(
        (&told["route"], &told["fell_through"]),
        (&json!("taken"), &json!(0))
    );
    let chain = server.get("/v1/routes/split/chain").await.json();
    assert_eq!(chain["backends"], json!({"a": [], "b": []}));
    server
        .get("/v1/routes/none/strangler")
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_reference_to_nothing_is_refused_and_named() {
    let server = Server::start().await;
    let problem = server.put("/v1/routes/orders", route("orders")).await;
    let problem = problem.problem(422, "invalid");
    let error = &problem["errors"][0];
    assert_eq!(error["resource"], "route/orders");
    assert_eq!(error["field"], "service");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
}

#[tokio::test]
async fn parents_and_children_come_and_go_together() {
    let server = Server::start().await;
    let both = json!({"routes": [route("orders")], "services": [service("orders")]});
    let applied = server.post("/v1/apply", both).await;
    assert_eq!(
        (applied.status, applied.revision()),
        (StatusCode::OK, 1),
        "{applied:?}"
    );
    let pruned = server.post("/v1/apply?prune=true", json!({})).await;
    assert_eq!(
        (pruned.status, pruned.revision()),
        (StatusCode::OK, 2),
        "{pruned:?}"
    );
    let only_service = json!({"services": [service("orders")], "routes": [route("orders")]});
    server.post("/v1/apply", only_service).await;
    let half = server
        .post("/v1/apply?prune=true", json!({"routes": [route("orders")]}))
        .await;
    half.problem(409, "still_referenced");
}

use axum::http::StatusCode;
use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn the_plugins_of_a_route_are_shown_in_the_order_they_run() {
    let server = Server::with_orders().await;
    let plugins = json!({"plugins": [
        {"name": "limit", "type": "rate-limit", "attach": {"route": "orders"},
            "settings": {"limits": [{"requests": 1, "per": "1m"}]}},
        {"name": "auth", "type": "key-auth", "attach": {"service": "orders"}},
        {"name": "cors", "type": "cors", "attach": {"global": true}, "except": [{"route": "orders"}],
            "settings": {"origins": ["https://a.example.com"]}},
    ]});
    let applied = server.post("/v1/apply", plugins).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    let chain = server.get("/v1/routes/orders/chain").await.json();
    let items = chain["chain"].as_array().unwrap().iter();
    let items: Vec<_> = items
        .map(|it| (it["name"].as_str().unwrap(), it["scope"].as_str().unwrap()))
        .collect();
    assert_eq!(
        items,
        [("auth", "service/orders"), ("limit", "route/orders")],
        "{chain}"
    );
    assert_eq!(chain["enabled"], true);
    server
        .patch("/v1/routes/orders", json!({"enabled": false}))
        .await;
    let chain = server.get("/v1/routes/orders/chain").await.json();
    assert_eq!(
        (&chain["enabled"], &chain["chain"]),
        (&json!(false), &json!([]))
    );
    server
        .get("/v1/routes/none/chain")
        .await
        .problem(404, "not_found");
}

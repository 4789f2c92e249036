use futures_util::future::join_all;
use serde_json::{Value, json};

use super::server::{Server, service};

fn named<'a>(answer: &'a Value, route: &str) -> &'a Value {
    let routes = answer["routes"].as_array().unwrap();
    routes.iter().find(|it| it["route"] == route).unwrap()
}

#[tokio::test]
async fn a_request_is_explained_with_the_route_it_takes_and_why_not_the_others() {
    let server = Server::with_orders().await;
    let routes = json!({"routes": [
        {"name": "canary", "service": "orders", "hosts": ["why.test"], "cookies": [{"name": "canary"}]},
        {"name": "json", "service": "orders", "hosts": ["why.test"], "methods": ["POST"],
            "body": {"json": [{"pointer": "/type", "value": {"exact": "order"}}]}},
        {"name": "rest", "service": "orders", "hosts": ["why.test"]},
        {"name": "far", "service": "orders", "hosts": ["far.test"]},
    ], "plugins": [{"name": "auth", "type": "key-auth", "attach": {"route": "json"}}]});
    let applied = server.post("/v1/apply", routes).await;
    assert_eq!(applied.status, 200, "{applied:?}");
    let ask = async |asked: Value| server.post("/v1/explain", asked).await;
    let answer = ask(json!({
        "method": "POST", "url": "https://why.test:8443/a?b", "body": "{\"type\": \"order\"}",
        "headers": {"content-type": "application/json"},
    }))
    .await
    .json();
    assert_eq!(answer["route"], "json", "{answer}");
    assert_eq!(answer["action"], "forward to service `orders`");
    assert_eq!(answer["plugins"][0]["name"], "auth");
    assert_eq!(named(&answer, "json")["result"], "taken");
    assert_eq!(named(&answer, "rest")["result"], "matches");
    assert_eq!(named(&answer, "canary")["reason"], "cookies: `canary`");
    assert_eq!(
        named(&answer, "far")["reason"],
        "hosts: the host is `why.test`"
    );
    let answer = ask(
        json!({"method": "POST", "url": "http://why.test/", "body": "{",
        "headers": {"content-type": "application/json"}}),
    )
    .await
    .json();
    assert_eq!(
        (&answer["route"], &answer["status"]),
        (&Value::Null, &json!(400)),
        "{answer}"
    );
    assert_eq!(answer["code"], "match_undecided");
    for wrong in [
        json!({"url": "why.test"}),
        json!({"url": "http://a/", "x": 1}),
        json!({"url": "http://a/..", "method": "GET"}),
    ] {
        ask(wrong).await.problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn who_asks_while_too_many_do_is_told_to_come_back() {
    let server = Server::with_orders().await;
    let asked = json!({"url": "http://a.test/orders"});
    let explained = join_all((0..200).map(|_| server.post("/v1/explain", asked.clone()))).await;
    let path = "/v1/services/new?dry_run=true";
    let tried = join_all((0..200).map(|_| server.put(path, service("new")))).await;
    for answers in [explained, tried] {
        let (done, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|it| it.status.is_success());
        // Some may have been done before others were heard.
        assert!(done.len() >= 4 && !refused.is_empty(), "{}", done.len());
        for answer in refused {
            answer.problem(429, "busy");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    assert_eq!(server.post("/v1/explain", asked).await.status, 200);
    assert_eq!(server.put(path, service("new")).await.status, 201);
}

#[tokio::test]
async fn an_explanation_follows_the_configuration() {
    let server = Server::with_orders().await;
    let asked = json!({"url": "http://a.test/orders"});
    for name in ["orders", "other"] {
        let route = json!({"name": "other", "service": "orders", "paths": [{"exact": "/orders"}]});
        if name == "other" {
            server.put("/v1/routes/other", route).await;
        }
        let answer = server.post("/v1/explain", asked.clone()).await.json();
        assert_eq!(answer["route"], name, "{answer}");
    }
}

#[tokio::test]
async fn a_dry_run_waits_for_no_writer() {
    let server = Server::with_orders().await;
    let writer = server.database().open().await;
    // A writer that takes its time.
    let transaction = writer.begin().await.unwrap();
    let tried = server
        .put("/v1/services/new?dry_run=true", service("new"))
        .await;
    assert_eq!(tried.status, 201, "{tried:?}");
    drop(transaction);
}

//! Routes over several services.

use aws_lc_rs::digest::{SHA256, digest};
use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::named,
};

/// Services `a` and `b`, which answer with their names, and a route over them.
async fn over(split: &Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    let service = |name: &'static str| {
        let url = format!("http://{}", named(200, name));
        (Kind::Service, json!({"name": name, "url": url}))
    };
    gateway.apply(&[service("a"), service("b"), route(split)]);
    gateway
}

fn route(split: &Value) -> (Kind, Value) {
    (Kind::Route, json!({"name": "r", "split": split}))
}

fn weights(a: u32, b: u32) -> Value {
    json!([{"service": "a", "weight": a}, {"service": "b", "weight": b}])
}

/// The answer to a GET with these fields.
async fn get(gateway: &Gateway, fields: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn requests_go_where_the_weights_say_and_are_counted_there() {
    let mut gateway = over(&json!({"backends": weights(1, 1)})).await;
    let mut seen = [0, 0];
    for _ in 0..64 {
        match body(&get(&gateway, "").await) {
            "a" => seen[0] += 1,
            "b" => seen[1] += 1,
            other => panic!("{other}"),
        }
    }
    // All 64 to one of them: once in 2^63.
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    for (service, seen) in ["a", "b"].into_iter().zip(seen) {
        let line = format!(
            "gatewright_requests_total{{route=\"r\",service=\"{service}\",status=\"2xx\"}}"
        );
        assert_eq!(gateway.metric(&line).await, seen, "{service}");
    }
    gateway.apply(&[route(&json!({"backends": weights(0, 1)}))]);
    for _ in 0..8 {
        assert_eq!(body(&get(&gateway, "").await), "b");
    }
    let line = "gatewright_requests_total{route=\"r\",service=\"b\",status=\"2xx\"}";
    assert_eq!(gateway.metric(line).await, seen[1] + 8, "the counters stay");
}

#[tokio::test]
async fn a_request_runs_the_plugins_of_the_service_that_it_goes_to() {
    let canary = json!({"service": "b", "header": {"name": "x-canary"}});
    let split = json!({"backends": weights(1, 0), "canaries": [canary]});
    let mut gateway = over(&split).await;
    let deny = json!({"deny": ["127.0.0.0/8"]});
    let plugin = json!({"name": "closed", "type": "ip-filter", "attach": {"service": "b"}, "settings": deny});
    gateway.apply(&[(Kind::Plugin, plugin)]);
    assert_eq!(body(&get(&gateway, "").await), "a");
    assert_eq!(status(&get(&gateway, "X-Canary: 1\r\n").await), 403);
}

#[tokio::test]
async fn a_service_that_is_disabled_keeps_its_share() {
    let mut gateway = over(&json!({"backends": weights(0, 1)})).await;
    let service = json!({"name": "b", "url": "http://127.0.0.1:1", "enabled": false});
    gateway.apply(&[(Kind::Service, service)]);
    let answer = get(&gateway, "").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("no_target"), "{answer}");
}

#[tokio::test]
async fn a_cookie_keeps_a_client_at_its_service() {
    let gateway = over(&json!({"backends": weights(1, 1), "sticky": {"cookie": {}}})).await;
    for _ in 0..4 {
        let first = get(&gateway, "").await;
        let set = first.split("set-cookie: ").nth(1).unwrap();
        let cookie = set.split(';').next().unwrap();
        assert!(cookie.starts_with("gatewright-split="), "{first}");
        for _ in 0..8 {
            let again = get(&gateway, &format!("Cookie: {cookie}\r\n")).await;
            assert_eq!(body(&again), body(&first));
            assert!(!again.contains("set-cookie"), "{again}");
        }
    }
}

#[tokio::test]
async fn a_consumer_stays_at_its_service_whose_plugins_run_once_it_is_known() {
    let mut gateway = over(&json!({"backends": weights(1, 1), "sticky": {"consumer": true}})).await;
    let marks = |service: &str| {
        let settings = json!({"request": {}, "response": {"add": {"x-ran": service}}});
        let plugin = json!({"name": format!("mark-{service}"), "type": "headers", "attach": {"service": service},
            "order": -5000, "settings": settings});
        (Kind::Plugin, plugin)
    };
    let mut resources = vec![marks("a"), marks("b")];
    let key = json!({"name": "key", "type": "key-auth", "attach": {"global": true},
        "settings": {"headers": ["x-api-key"]}});
    resources.push((Kind::Plugin, key));
    let consumers = [
        "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi",
    ];
    for name in consumers {
        resources.push((Kind::Consumer, json!({"name": name})));
        let digest = digest(&SHA256, format!("{name}-secret-key").as_bytes());
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        let credential = json!({"name": name, "consumer": name, "digest": format!("sha256:{hex}")});
        resources.push((Kind::Credential, credential));
    }
    gateway.apply(&resources);
    assert_eq!(status(&get(&gateway, "").await), 401);
    let mut services = Vec::new();
    for name in consumers {
        let field = format!("X-Api-Key: {name}-secret-key\r\n");
        let first = get(&gateway, &field).await;
        let service = body(&first).to_owned();
        let mark = format!("x-ran: {service}\r\n");
        assert_eq!(first.matches("x-ran").count(), 1, "{first}");
        assert!(first.contains(&mark), "{first}");
        for _ in 0..4 {
            assert_eq!(body(&get(&gateway, &field).await), service);
        }
        services.push(service);
    }
    assert!(services.iter().any(|it| *it != services[0]), "{services:?}");
}

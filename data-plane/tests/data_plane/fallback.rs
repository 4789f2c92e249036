//! What clients get where a service cannot, or fails.

use std::net::SocketAddr;

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    gateway::{Gateway, body, status},
    upstream,
};

/// A service at this address with this fallback, and another one that echoes.
async fn falling_back(address: SocketAddr, fallback: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    gateway.apply(&services(address, &fallback));
    gateway
}

fn services(address: SocketAddr, fallback: &Value) -> Vec<(Kind, Value)> {
    let url = format!("http://{address}");
    let other = format!("http://{}", upstream::echo());
    vec![
        (
            Kind::Service,
            json!({"name": "s", "url": url, "fallback": fallback, "request_timeout_ms": 500}),
        ),
        (Kind::Service, json!({"name": "other", "url": other})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]
}

fn says(answer: &str, kind: &str) -> bool {
    let field = format!("\r\ngatewright-fallback: {kind}\r\n");
    answer.to_ascii_lowercase().contains(&field)
}

/// What NGINX users write as `error_page 502 503 504 = @down`, with `return 503` and a JSON body in it.
fn error_page() -> Value {
    json!({
        "statuses": [502, 503, 504],
        "answer": {
            "status": 503,
            "headers": {"retry-after": "30"},
            "body": r#"{"error": "down", "path": "{{path}}", "why": "{{code}}{{status}}", "of": "{{service}}"}"#,
        },
    })
}

#[tokio::test]
async fn whatever_way_a_service_fails_the_client_gets_the_same_page() {
    let proxy = FaultProxy::before(upstream::echo());
    let gateway = falling_back(proxy.address, error_page()).await;
    for (fault, why) in [
        (Fault::Refuse, "upstream_unreachable0"),
        (Fault::Hang, "upstream_timeout0"),
        (Fault::ResetMidHead, "bad_gateway0"),
        (Fault::Garbage, "bad_gateway0"),
        (Fault::Status(502), "502"),
        (Fault::Status(503), "503"),
        (Fault::Status(504), "504"),
    ] {
        proxy.set(fault);
        let answer = gateway.get("/a%22b").await;
        assert_eq!(status(&answer), 503, "{fault:?}: {answer}");
        assert!(says(&answer, "static"), "{fault:?}: {answer}");
        let page: Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!(page["error"], "down");
        assert_eq!(page["why"], why, "{fault:?}");
        assert_eq!(page["of"], "s");
        let lower = answer.to_ascii_lowercase();
        assert!(lower.contains("\r\ncontent-type: application/json\r\n"));
        assert!(lower.contains("\r\nretry-after: 30\r\n"));
        assert!(lower.contains("\r\nx-request-id: "));
    }
    for passed in [Fault::Status(500), Fault::Status(404)] {
        proxy.set(passed);
        let answer = gateway.get("/").await;
        assert!(body(&answer).starts_with("status "), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("gatewright-fallback"));
    }
    let metrics = gateway.status("/metrics").await;
    let row = "gatewright_fallbacks_total{service=\"s\",kind=\"static\"} 7";
    assert!(metrics.contains(row), "{metrics}");
}

#[tokio::test]
async fn another_service_may_answer_and_gets_the_request_as_it_was() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Refuse);
    let fallback = json!({"service": "other", "statuses": [503]});
    let gateway = falling_back(proxy.address, fallback).await;
    let post =
        "POST /a?b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let answer = gateway.raw(post.as_bytes()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(says(&answer, "service"), "{answer}");
    let seen = body(&answer);
    assert!(seen.starts_with("POST /a?b HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("hello"), "{seen}");
    proxy.set(Fault::Status(503));
    let answer = gateway.get("/").await;
    assert!(says(&answer, "service"), "{answer}");
    // What has been sent to the one cannot be sent to the other.
    let answer = gateway.raw(post.as_bytes()).await;
    assert_eq!(status(&answer), 503);
    assert!(!answer.to_ascii_lowercase().contains("gatewright-fallback"));
}

#[tokio::test]
async fn an_open_breaker_falls_back_and_a_route_may_say_otherwise() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Status(500));
    let mut gateway = Gateway::start().await;
    let mut resources = services(proxy.address, &json!({"on": ["open"], "service": "other"}));
    resources[0].1["breaker"] = json!({"min_requests": 1, "open_ms": "1m"});
    resources.push((
        Kind::Route,
        json!({"name": "fixed", "service": "s", "paths": [{"exact": "/fixed"}],
            "fallback": {"answer": {"status": 200, "body": "later, {{route}}"}}}),
    ));
    gateway.apply(&resources);
    assert_eq!(status(&gateway.get("/").await), 500);
    let answer = gateway.get("/").await;
    assert_eq!(status(&answer), 200);
    assert!(says(&answer, "service"), "{answer}");
    let answer = gateway.get("/fixed").await;
    assert_eq!(body(&answer), "later, fixed");
    assert!(says(&answer, "static"), "{answer}");
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn the_access_line_says_who_answered_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log").display().to_string();
    let proxy = FaultProxy::with(upstream::echo(), Fault::Refuse);
    let mut gateway = Gateway::start_with(&["--access-log", &log]).await;
    gateway.apply(&services(proxy.address, &error_page()));
    assert_eq!(status(&gateway.get("/").await), 503);
    gateway.node.drain().await;
    let line: Value = serde_json::from_str(&std::fs::read_to_string(log).unwrap()).unwrap();
    assert_eq!(line["fallback"], "static");
    assert_eq!(line["code"], "upstream_unreachable");
    assert_eq!(line["service"], "s");
    assert_eq!(line["status"], 503);
}

#[tokio::test]
async fn what_a_service_may_have_acted_on_is_not_asked_of_another_one_unless_it_may_be_repeated() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Status(503));
    let fallback = json!({"service": "other", "statuses": [503]});
    let gateway = falling_back(proxy.address, fallback).await;
    let ask = async |method: &str| {
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        says(&gateway.raw(request.as_bytes()).await, "service")
    };
    for fault in [Fault::Status(503), Fault::ResetMidHead, Fault::Hang] {
        proxy.set(fault);
        assert!(!ask("POST").await, "{fault:?}");
        assert!(ask("PUT").await, "{fault:?}");
    }
    proxy.set(Fault::Refuse);
    assert!(ask("POST").await, "nobody has seen it");
}

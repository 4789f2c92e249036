//! Routes whose service takes over from a legacy one.

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::{echo, named},
};

/// A route whose new service answers with this status, and whose legacy one echoes.
async fn strangled(status: u16, strangler: Value) -> Gateway {
    strangled_with(&[], status, strangler).await
}

/// Likewise, with flags of the node.
async fn strangled_with(flags: &[&str], status: u16, mut strangler: Value) -> Gateway {
    let mut gateway = Gateway::start_with(flags).await;
    strangler["legacy"] = json!("old");
    let service = |name: &str, address: std::net::SocketAddr| {
        let url = format!("http://{address}");
        (Kind::Service, json!({"name": name, "url": url}))
    };
    gateway.apply(&[
        service("new", named(status, "new")),
        service("old", echo()),
        (
            Kind::Route,
            json!({"name": "r", "service": "new", "strangler": strangler, "mirrors": [{"service": "old"}]}),
        ),
    ]);
    gateway
}

async fn send(gateway: &Gateway, method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    gateway.raw(request.as_bytes()).await
}

async fn counted(gateway: &Gateway, method: &str, way: &str) -> u64 {
    let labels = format!("route=\"r\",method=\"{method}\",result=\"{way}\"");
    let line = format!("gatewright_strangler_requests_total{{{labels}}}");
    gateway.metric(&line).await
}

#[tokio::test]
async fn what_the_new_service_has_goes_no_further() {
    let gateway = strangled(200, json!({})).await;
    assert_eq!(body(&send(&gateway, "GET", "/a", "").await), "new");
    assert_eq!(counted(&gateway, "GET", "new").await, 1);
    let gateway = strangled(500, json!({})).await;
    let answer = send(&gateway, "GET", "/a", "").await;
    assert_eq!(status(&answer), 500, "an error is an answer");
}

#[tokio::test]
async fn what_the_new_service_has_not_got_is_sent_whole_to_the_legacy() {
    for missing in [404, 405, 501] {
        let gateway = strangled(missing, json!({})).await;
        let answer = send(&gateway, "POST", "/orders/7?x=1", "the order").await;
        assert_eq!(status(&answer), 200);
        let seen = body(&answer);
        assert!(
            seen.starts_with("POST /orders/7?x=1 HTTP/1.1\r\n"),
            "{seen}"
        );
        assert!(seen.ends_with("\r\n\r\nthe order"), "{seen}");
        assert_eq!(
            seen.to_lowercase().matches("\r\nvia: ").count(),
            1,
            "{seen}"
        );
        assert_eq!(counted(&gateway, "POST", "fell_through").await, 1);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_keep_goes_to_the_legacy_or_not_at_all() {
    let gateway = strangled(404, json!({"max_body_bytes": 8})).await;
    let answer = send(&gateway, "POST", "/a", "over the bound").await;
    assert!(body(&answer).ends_with("over the bound"), "{answer}");
    assert_eq!(counted(&gateway, "POST", "legacy").await, 1);
    let chunked = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                   e\r\nover the bound\r\n0\r\n\r\n";
    let answer = gateway.raw(chunked.as_bytes()).await;
    assert_eq!((status(&answer), body(&answer)), (404, "new"));
}

#[tokio::test]
async fn what_is_not_meant_for_the_new_service_goes_to_the_legacy_at_once() {
    let strangler = json!({"methods": ["GET"], "paths": [{"prefix": "/orders"}], "percent": 100});
    let gateway = strangled(200, strangler).await;
    assert_eq!(body(&send(&gateway, "GET", "/orders/1", "").await), "new");
    for (method, path) in [("POST", "/orders/1"), ("GET", "/carts")] {
        let answer = send(&gateway, method, path, "").await;
        assert!(body(&answer).starts_with(method), "{answer}");
    }
    let gateway = strangled(200, json!({"percent": 0})).await;
    let answer = send(&gateway, "GET", "/orders/1", "").await;
    assert!(body(&answer).starts_with("GET"), "{answer}");
}

#[tokio::test]
async fn a_node_tells_what_still_goes_to_the_legacy() {
    let gateway = strangled(404, json!({})).await;
    for order in 0..3 {
        send(&gateway, "GET", &format!("/orders/{order}"), "").await;
    }
    send(&gateway, "POST", "/carts", "").await;
    let answer = gateway.status("/report").await;
    let report: Value = serde_json::from_str(body(&answer)).unwrap();
    let expected = json!([{
        "route": "r", "new": 0, "legacy": 0, "fell_through": 4,
        "paths": [
            {"method": "GET", "path": "/orders/{}", "legacy": 0, "fell_through": 3},
            {"method": "POST", "path": "/carts", "legacy": 0, "fell_through": 1},
        ],
    }]);
    assert_eq!(report["stranglers"], expected, "{report}");
}

#[tokio::test]
async fn the_access_line_and_the_counters_are_those_of_who_answered() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log").display().to_string();
    let flags = ["--access-log", log.as_str()];
    let gateway = strangled_with(&flags, 404, json!({"methods": ["GET"]})).await;
    send(&gateway, "GET", "/a", "").await;
    send(&gateway, "POST", "/a", "").await;
    let line = "gatewright_requests_total{route=\"r\",service=\"old\",status=\"2xx\"}";
    assert_eq!(gateway.metric(line).await, 2);
    let line = "gatewright_requests_total{route=\"r\",service=\"new\",status=\"4xx\"}";
    assert_eq!(gateway.metric(line).await, 0);
    gateway.node.drain().await;
    let text = std::fs::read_to_string(log).unwrap();
    let lines = text
        .lines()
        .map(|line| -> Value { serde_json::from_str(line).unwrap() });
    let seen: Vec<Value> = lines
        .map(|it| {
            json!([
                it["method"],
                it["strangler"],
                it["service"],
                it["status"],
                it["mirrored"]
            ])
        })
        .collect();
    let expected = [
        json!(["GET", "fell_through", "old", 200, 1]),
        json!(["POST", "legacy", "old", 200, 1]),
    ];
    assert_eq!(seen, expected);
}

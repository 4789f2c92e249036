//! Policies that protect services and browsers, over sockets.

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, eventually, status},
    upstream,
};

async fn gateway(kind: &str, settings: Value, mode: &str) -> Gateway {
    let mut gateway = Gateway::start().await;
    let upstream = upstream::echo();
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{upstream}")}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": kind, "attach": {"global": true}, "settings": settings, "mode": mode}),
        ),
    ]);
    gateway
}

/// What is answered to a POST with this body, announced or in two pieces.
async fn post(gateway: &Gateway, fields: &str, content: &str, announced: bool) -> String {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}");
    let length = content.len();
    let request = if announced {
        format!("{head}Content-Length: {length}\r\n\r\n{content}")
    } else {
        let (one, two) = content.split_at(1);
        let (first, second) = (one.len(), two.len());
        format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{first:x}\r\n{one}\r\n{second:x}\r\n{two}\r\n0\r\n\r\n"
        )
    };
    gateway.raw(request.as_bytes()).await
}

/// The body that the upstream got, which echoes all of the request.
fn forwarded(answer: &str) -> String {
    let (head, content) = body(answer).split_once("\r\n\r\n").unwrap();
    if !head.contains("transfer-encoding") {
        return content.to_owned();
    }
    // Every other line says how long the next one is.
    content.split("\r\n").skip(1).step_by(2).collect()
}

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn json_within_bounds_is_passed_on_unchanged_and_other_json_is_refused() {
    let settings =
        json!({"max_body_bytes": 100_000, "json": {"max_depth": 3, "max_bytes": 50_000}});
    let gateway = gateway("request-guard", settings, "enforce").await;
    let deep = "[".repeat(10_000);
    let long = format!("[\"{}\"]", "x".repeat(60_000));
    for (content, expected, code) in [
        (r#"{"a": [1, {}]}"#, 200, ""),
        (r#"{"a": [1, {"b": []}]}"#, 400, "invalid_body"),
        (deep.as_str(), 400, "invalid_body"),
        ("[1,]", 400, "invalid_body"),
        (long.as_str(), 413, "body_too_large"),
    ] {
        for announced in [true, false] {
            let answer = post(&gateway, JSON, content, announced).await;
            assert_eq!(status(&answer), expected, "{announced} {answer}");
            let tail = if code.is_empty() { content } else { code };
            assert!(body(&answer).contains(tail), "{announced} {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_that_streams_is_refused_once_it_is_over_the_bound() {
    let gateway = gateway("request-guard", json!({"max_body_bytes": 9}), "enforce").await;
    for announced in [true, false] {
        let answer = post(&gateway, "", "123456789", announced).await;
        assert_eq!(status(&answer), 200, "{announced} {answer}");
        let answer = post(&gateway, "", "1234567890", announced).await;
        assert_eq!(status(&answer), 413, "{announced} {answer}");
    }
}

#[tokio::test]
async fn json_over_a_bound_that_is_only_tried_out_is_passed_on_whole() {
    let settings = json!({"json": {"max_bytes": 4}});
    let gateway = gateway("request-guard", settings, "shadow").await;
    for content in ["[1,]", "[1, 2, 3, 4, 5, 6]"] {
        for announced in [true, false] {
            let answer = post(&gateway, JSON, content, announced).await;
            assert_eq!(status(&answer), 200, "{answer}");
            assert_eq!(forwarded(&answer), content, "{announced} {answer}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_cookies_of_the_user() {
    let gateway = gateway("csrf", json!({}), "enforce").await;
    for (fields, expected) in [
        ("Cookie: a=b\r\nSec-Fetch-Site: cross-site\r\n", 403),
        ("Cookie: a=b\r\nOrigin: http://evil.test\r\n", 403),
        ("Cookie: a=b\r\nOrigin: http://a\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 200),
    ] {
        let answer = post(&gateway, fields, "{}", true).await;
        assert_eq!(status(&answer), expected, "{fields} {answer}");
        assert_eq!(expected == 403, answer.contains("cross_site"), "{answer}");
    }
}

#[tokio::test]
async fn a_handshake_of_a_websocket_by_a_page_of_another_site_is_refused() {
    let gateway = gateway("csrf", json!({}), "enforce").await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Cookie: a=b\r\nOrigin: http://evil.test\r\n";
    let answer = gateway
        .raw(format!("{request}Connection: close\r\n\r\n").as_bytes())
        .await;
    assert_eq!(status(&answer), 403, "{answer}");
}

#[tokio::test]
async fn browsers_are_told_to_be_strict_with_refusals_as_well() {
    let mut gateway = gateway("security-headers", json!({}), "enforce").await;
    gateway.apply(&[(
        Kind::Plugin,
        json!({"name": "bots", "type": "bot-rules", "attach": {"global": true}, "settings": {"deny": ["curl"]}}),
    )]);
    for (agent, expected) in [("Mozilla/5.0", 200), ("curl/8", 403)] {
        let answer = post(&gateway, &format!("User-Agent: {agent}\r\n"), "{}", true).await;
        assert_eq!(status(&answer), expected, "{answer}");
        let head = answer.to_ascii_lowercase();
        assert!(
            head.contains("x-content-type-options: nosniff\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn json_that_a_schema_does_not_allow_is_refused_with_the_places_of_its_mistakes() {
    let schema =
        json!({"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}});
    let gateway = gateway("json-schema", json!({"schema": schema}), "enforce").await;
    for announced in [true, false] {
        let good = r#"{"a": "x", "b": 1}"#;
        let answer = post(&gateway, JSON, good, announced).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(forwarded(&answer), good);
        let answer = post(&gateway, JSON, r#"{"b": "1"}"#, announced).await;
        assert_eq!(status(&answer), 400, "{answer}");
        let problem: Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!(problem["code"], "schema_violation");
        let expected = json!([
            {"in": "body", "pointer": "/a", "reason": "is required"},
            {"in": "body", "pointer": "/b", "reason": "must be an integer"},
        ]);
        assert_eq!(problem["errors"], expected);
        let answer = post(&gateway, "Content-Type: text/plain\r\n", good, announced).await;
        assert_eq!(status(&answer), 415, "{answer}");
    }
}

#[tokio::test]
async fn json_that_a_schema_on_trial_does_not_allow_is_passed_on() {
    let settings = json!({"schema": {"type": "object"}, "body": {"max_bytes": 100}});
    let gateway = gateway("json-schema", settings, "shadow").await;
    let long = format!("[\"{}\"]", "x".repeat(1000));
    for content in ["[]", "{", long.as_str()] {
        let answer = post(&gateway, JSON, content, true).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(forwarded(&answer), content);
    }
    let counted =
        "gatewright_plugin_refusals_total{plugin=\"p\",code=\"schema_violation\",mode=\"shadow\"}";
    eventually("it is counted", async || gateway.metric(counted).await == 1).await;
}

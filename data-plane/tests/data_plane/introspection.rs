//! An authorization server that is asked what tokens are worth, over sockets.

use std::{io::Write as _, net::SocketAddr, time::Duration};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    gateway::{Gateway, body, status},
    upstream::{echo, read_request, scripted},
};

/// Calls `good` active, `short` of no scope, and nothing else; only for the client `gw` with the secret `s3cret`.
fn server() -> SocketAddr {
    scripted(|mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let request = String::from_utf8(request).unwrap();
            // gw:s3cret
            let known =
                request.contains("Basic Z3c6czNjcmV0") && request.contains("POST /introspect ");
            let answer = if request.ends_with("token=good&token_type_hint=access_token") {
                r#"{"active":true,"sub":"u1","scope":"read"}"#
            } else if request.contains("token=short") {
                r#"{"active":true,"sub":"u1"}"#
            } else {
                r#"{"active":false}"#
            };
            let line = if known { "200 OK" } else { "401 Unauthorized" };
            let answer = format!(
                "HTTP/1.1 {line}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A gateway in front of an upstream that echoes, and an authorization server that can fail.
async fn guarded(settings: &Value, secret: &str) -> (Gateway, FaultProxy) {
    let server = FaultProxy::before(server());
    let mut settings = settings.clone();
    settings["endpoint"] = format!("http://{}/introspect", server.address).into();
    settings["client"] = json!({"id": "gw", "secret": "secret:client"});
    settings["scopes"] = json!(["read"]);
    settings["claims_to_headers"] = json!({"sub": "x-user"});
    let target = echo().to_string();
    let mut gateway = Gateway::start().await;
    gateway.apply(&[
        (Kind::Upstream, json!({"name": "u"})),
        (
            Kind::Target,
            json!({"name": "t", "upstream": "u", "address": target}),
        ),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (Kind::Secret, json!({"name": "client", "value": secret})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "introspection", "attach": {"route": "r"}, "settings": settings}),
        ),
    ]);
    (gateway, server)
}

async fn ask(gateway: &Gateway, token: &str) -> String {
    let request = format!(
        "GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-User: forged\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn a_token_is_asked_about_once_and_says_who_calls() {
    let (gateway, server) = guarded(&json!({"timeout_ms": 5000}), "s3cret").await;
    for _ in 0..3 {
        let answer = ask(&gateway, "good").await;
        assert_eq!(status(&answer), 200, "{answer}");
        let forwarded = body(&answer).to_lowercase();
        assert!(forwarded.contains("x-user: u1"), "{forwarded}");
        assert!(!forwarded.contains("forged"), "{forwarded}");
    }
    assert_eq!(server.requests(), 1);
    for _ in 0..2 {
        let answer = ask(&gateway, "wrong").await;
        assert_eq!(status(&answer), 401);
        let challenge = "Bearer realm=\"gatewright\", error=\"invalid_token\"";
        assert!(answer.contains(challenge), "{answer}");
    }
    assert_eq!(server.requests(), 2);
    let answer = ask(&gateway, "short").await;
    assert_eq!(status(&answer), 403);
    let challenge = "error=\"insufficient_scope\", scope=\"read\"";
    assert!(answer.contains(challenge), "{answer}");
    let line = "gatewright_plugin_calls_total{plugin=\"p\",outcome=\"answered\"}";
    assert_eq!(gateway.metric(line).await, 3);
}

#[tokio::test]
async fn requests_with_one_token_at_a_time_ask_once() {
    let (gateway, server) = guarded(&json!({"timeout_ms": 5000}), "s3cret").await;
    server.set(Fault::Slow(Duration::from_millis(300)));
    let asked = (0..8).map(|_| ask(&gateway, "good"));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| status(answer) == 200));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn while_the_server_is_down_slow_or_hostile_nobody_passes_and_nobody_waits_long() {
    let (gateway, server) = guarded(&json!({"timeout_ms": 100}), "s3cret").await;
    let faults = [
        (Fault::Refuse, "endpoint_unreachable"),
        (Fault::Hang, "endpoint_timeout"),
        (Fault::Slow(Duration::from_secs(8)), "endpoint_timeout"),
        (Fault::ResetAtOnce, "endpoint_unreachable"),
        (Fault::ResetMidHead, "endpoint_unreachable"),
        (Fault::ResetMidBody, "endpoint_unreachable"),
        (Fault::Garbage, "endpoint_unreachable"),
        (Fault::Status(500), "endpoint_status"),
        (Fault::Status(401), "endpoint_refused"),
    ];
    for (fault, reason) in faults {
        server.set(fault);
        // Before the slow one has answered.
        let asked = tokio::time::timeout(Duration::from_secs(7), ask(&gateway, "good"));
        let answer = asked.await.unwrap();
        assert_eq!(status(&answer), 503, "{fault:?}");
        let code = "\"introspection_unavailable\"";
        assert!(answer.contains(code), "{fault:?} {answer}");
        let labels = format!("plugin=\"p\",reason=\"{reason}\",mode=\"enforce\"");
        let line = format!("gatewright_authentication_refusals_total{{{labels}}}");
        assert!(gateway.metric(&line).await > 0, "{fault:?} {reason}");
    }
    server.set(Fault::None);
    assert_eq!(status(&ask(&gateway, "good").await), 200);
    // What is remembered goes on to pass.
    server.set(Fault::Refuse);
    assert_eq!(status(&ask(&gateway, "good").await), 200);
}

#[tokio::test]
async fn a_client_that_the_server_does_not_know_lets_nobody_pass() {
    let (gateway, _server) = guarded(&json!({"timeout_ms": 5000}), "wrong").await;
    let answer = ask(&gateway, "good").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("\"introspection_unavailable\""), "{answer}");
}

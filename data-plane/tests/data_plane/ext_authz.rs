//! An authorizer that is asked over HTTP, over sockets.

use std::{io::Write as _, net::SocketAddr, time::Duration};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    gateway::{Gateway, body, status},
    upstream::{echo, read_request, scripted},
};

/// Allows `Bearer good`, sends `Bearer away` somewhere else, and asks all others who they are. Tells in `X-Asked`
/// how it was asked.
fn authorizer() -> SocketAddr {
    scripted(|mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let request = String::from_utf8(request).unwrap();
            let asked = request.lines().next().unwrap().to_owned();
            let secret = match request.to_lowercase().contains("x-secret") {
                true => "seen",
                false => "unseen",
            };
            let answer = if request.contains("Bearer good") {
                format!(
                    "200 OK\r\nX-User-Id: u1\r\nX-Asked: {asked}\r\nX-Secret-Was: {secret}\r\nContent-Length: 0\r\n\r\n"
                )
            } else if request.contains("Bearer away") {
                "302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n".to_owned()
            } else {
                "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"a\"\r\nX-Inner: secret\r\nContent-Length: 7\r\n\r\nwho are"
                    .to_owned()
            };
            let answer = format!("HTTP/1.1 {answer}");
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// A gateway in front of an upstream that echoes, with an authorizer that can fail.
async fn guarded(settings: &Value, mode: &str) -> (Gateway, FaultProxy) {
    let authorizer = FaultProxy::before(authorizer());
    let mut settings = settings.clone();
    settings["url"] = format!("http://{}/check", authorizer.address).into();
    settings["upstream_headers"] = json!(["x-user-id", "x-asked", "x-secret-was"]);
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
        (
            Kind::Plugin,
            json!({"name": "p", "type": "ext-authz", "mode": mode, "attach": {"route": "r"},
                "settings": settings}),
        ),
    ]);
    (gateway, authorizer)
}

async fn ask(gateway: &Gateway, fields: &str) -> String {
    let request = format!("GET /a?b=c HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn an_authorizer_allows_and_tells_the_upstream_who_it_is() {
    let (gateway, authorizer) = guarded(&json!({"timeout_ms": 5000}), "enforce").await;
    for _ in 0..3 {
        let fields = "Authorization: Bearer good\r\nX-User-Id: forged\r\nX-Secret: s\r\n";
        let answer = ask(&gateway, fields).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let forwarded = body(&answer).to_lowercase();
        assert!(forwarded.contains("x-user-id: u1"), "{forwarded}");
        assert!(!forwarded.contains("forged"), "{forwarded}");
        assert!(
            forwarded.contains("x-asked: get /check/a?b=c"),
            "{forwarded}"
        );
        assert!(forwarded.contains("x-secret-was: unseen"), "{forwarded}");
    }
    assert_eq!(authorizer.connections(), 1, "connections are kept");
}

#[tokio::test]
async fn an_authorizer_denies_in_its_own_words() {
    let (gateway, _authorizer) = guarded(&json!({"timeout_ms": 5000}), "enforce").await;
    let answer = ask(&gateway, "").await;
    assert_eq!((status(&answer), body(&answer)), (401, "who are"));
    let lower = answer.to_lowercase();
    assert!(
        lower.contains("www-authenticate: bearer realm=\"a\""),
        "{answer}"
    );
    assert!(!lower.contains("x-inner"), "{answer}");
    let away = ask(&gateway, "Authorization: Bearer away\r\n").await;
    assert_eq!(status(&away), 302);
    assert!(away.to_lowercase().contains("location: /login"), "{away}");
    let (shadow, _authorizer) = guarded(&json!({"timeout_ms": 5000}), "shadow").await;
    assert_eq!(status(&ask(&shadow, "").await), 200);
}

#[tokio::test]
async fn while_the_authorizer_is_down_or_slow_requests_are_refused_in_bounded_time() {
    let (gateway, authorizer) = guarded(&json!({"timeout_ms": 100}), "enforce").await;
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::ResetMidHead,
        Fault::Garbage,
        Fault::Status(500),
    ] {
        authorizer.set(fault);
        let asked = ask(&gateway, "Authorization: Bearer good\r\n");
        let answer = tokio::time::timeout(Duration::from_secs(10), asked).await;
        let answer = answer.unwrap();
        assert_eq!(status(&answer), 503, "{fault:?}");
        assert!(
            answer.contains("\"authorizer_unavailable\""),
            "{fault:?} {answer}"
        );
    }
    let (open, authorizer) =
        guarded(&json!({"timeout_ms": 100, "fail_open": true}), "enforce").await;
    authorizer.set(Fault::Refuse);
    let answer = ask(&open, "X-User-Id: forged\r\n").await;
    assert_eq!(status(&answer), 200);
    assert!(!body(&answer).contains("forged"), "{answer}");
}

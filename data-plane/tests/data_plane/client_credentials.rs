//! Tokens of the gateway's own towards upstreams, over sockets.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    gateway::{Gateway, body, eventually, status},
    upstream::{read_request, scripted},
};

/// Gives `t1`, `t2`, ... of this lifetime in seconds.
fn token_server(lifetime: u64) -> SocketAddr {
    let count = Arc::new(AtomicU32::new(0));
    scripted(move |mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let request = String::from_utf8(request).unwrap();
            let expected = "grant_type=client_credentials&scope=a%20b&audience=orders&resource=r&client_id=gw&client_secret=s3cret";
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            let (line, answer) = match request.ends_with(expected) {
                true => (
                    "200 OK",
                    format!(
                        r#"{{"access_token":"t{number}","token_type":"Bearer","expires_in":{lifetime}}}"#
                    ),
                ),
                false => (
                    "400 Bad Request",
                    r#"{"error":"invalid_client"}"#.to_owned(),
                ),
            };
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

/// Echoes requests with a token of at least this number, and answers others with 401.
fn upstream(least: &Arc<AtomicU32>) -> SocketAddr {
    let least = Arc::clone(least);
    scripted(move |mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let text = String::from_utf8(request).unwrap();
            let number = text
                .split("Bearer t")
                .nth(1)
                .or(text.split("bearer t").nth(1));
            let number = number.and_then(|it| it.split("\r\n").next()?.parse::<u32>().ok());
            let good = number.is_some_and(|it| it >= least.load(Ordering::Relaxed));
            let line = if good { "200 OK" } else { "401 Unauthorized" };
            let answer = format!(
                "HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n{text}",
                text.len()
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

struct Scene {
    gateway: Gateway,
    tokens: FaultProxy,
    upstream: FaultProxy,
    least: Arc<AtomicU32>,
}

async fn scene(lifetime: u64, settings: &Value) -> Scene {
    let least = Arc::new(AtomicU32::new(1));
    let tokens = FaultProxy::before(token_server(lifetime));
    let upstream = FaultProxy::before(upstream(&least));
    let mut all = json!({
        "token_endpoint": format!("http://{}/token", tokens.address),
        "client": {"id": "gw", "secret": "secret:client", "auth": "post"},
        "scopes": ["a", "b"], "audience": "orders", "parameters": {"resource": "r"},
    });
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let target = upstream.address.to_string();
    let mut gateway = Gateway::start().await;
    gateway.apply(&[
        (Kind::Upstream, json!({"name": "u"})),
        (
            Kind::Target,
            json!({"name": "t", "upstream": "u", "address": target}),
        ),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (Kind::Secret, json!({"name": "client", "value": "s3cret"})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "client-credentials", "attach": {"route": "r"}, "settings": all}),
        ),
    ]);
    Scene {
        gateway,
        tokens,
        upstream,
        least,
    }
}

async fn ask(scene: &Scene) -> String {
    let request = "GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Basic forged\r\nAuthorization: Bearer forged\r\n\r\n";
    scene.gateway.raw(request.as_bytes()).await
}

/// The token that the upstream has seen.
fn seen(answer: &str) -> String {
    let text = body(answer).to_lowercase();
    assert!(!text.contains("forged"), "{text}");
    let token = text.split("authorization: bearer ").nth(1);
    let token = token.and_then(|it| it.split("\r\n").next());
    token.unwrap_or_default().to_owned()
}

#[tokio::test]
async fn upstreams_are_shown_one_token_instead_of_the_clients_credential() {
    let scene = scene(3600, &json!({})).await;
    scene.tokens.set(Fault::Slow(Duration::from_millis(200)));
    let answers = futures_util::future::join_all((0..8).map(|_| ask(&scene))).await;
    for answer in &answers {
        assert_eq!(
            (status(answer), seen(answer).as_str()),
            (200, "t1"),
            "{answer}"
        );
    }
    assert_eq!(scene.tokens.requests(), 1, "asked once for all");
}

#[tokio::test]
async fn the_next_token_is_fetched_ahead_while_requests_go_on_with_the_present_one() {
    // In the second half of its lifetime.
    let scene = scene(6, &json!({"refresh_ahead_seconds": 3600})).await;
    assert_eq!(seen(&ask(&scene).await), "t1");
    // Slower than any test waits: who gets an answer has not waited for the next one.
    scene.tokens.set(Fault::Hang);
    eventually("the next token is asked for", async || {
        let answer = ask(&scene).await;
        assert_eq!((status(&answer), seen(&answer).as_str()), (200, "t1"));
        scene.tokens.requests() == 2
    })
    .await;
    scene.tokens.set(Fault::None);
    eventually("there is another one", async || {
        seen(&ask(&scene).await) == "t2"
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_request_sent_again() {
    let scene = scene(3600, &json!({})).await;
    assert_eq!(seen(&ask(&scene).await), "t1");
    scene.least.store(2, Ordering::Relaxed);
    let answer = ask(&scene).await;
    assert_eq!((status(&answer), seen(&answer).as_str()), (200, "t2"));
    // With a body, too.
    let again = scene_with_body(3600).await;
    assert_eq!(again, (200, "t2".to_owned()));
    // An upstream that refuses every token causes no flood.
    scene.least.store(1000, Ordering::Relaxed);
    let before = scene.upstream.requests();
    for _ in 0..3 {
        assert_eq!(status(&ask(&scene).await), 401);
    }
    assert_eq!(scene.tokens.requests(), 2);
    assert_eq!(scene.upstream.requests() - before, 3);
}

async fn scene_with_body(lifetime: u64) -> (u16, String) {
    let scene = scene(lifetime, &json!({})).await;
    scene.least.store(2, Ordering::Relaxed);
    let request =
        "POST /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let answer = scene.gateway.raw(request.as_bytes()).await;
    assert!(answer.ends_with("hello"), "{answer}");
    (status(&answer), seen(&answer))
}

#[tokio::test]
async fn where_it_is_not_to_be_sent_again_the_client_sees_the_401() {
    let scene = scene(3600, &json!({"retry_unauthorized": false})).await;
    scene.least.store(2, Ordering::Relaxed);
    assert_eq!(status(&ask(&scene).await), 401);
    assert_eq!(scene.tokens.requests(), 1);
}

#[tokio::test]
async fn without_a_token_nothing_is_forwarded_and_nobody_waits_long() {
    let faults = [
        (Fault::Refuse, "endpoint_unreachable"),
        (Fault::Hang, "endpoint_timeout"),
        (Fault::ResetMidBody, "endpoint_unreachable"),
        (Fault::Garbage, "endpoint_unreachable"),
        (Fault::Status(500), "endpoint_status"),
        (Fault::Status(400), "endpoint_refused"),
    ];
    for (fault, reason) in faults {
        let scene = scene(3600, &json!({"timeout_ms": 100})).await;
        scene.tokens.set(fault);
        let asked = tokio::time::timeout(Duration::from_secs(7), ask(&scene));
        let answer = asked.await.unwrap();
        assert_eq!(status(&answer), 503, "{fault:?}");
        assert!(
            answer.contains("\"token_unavailable\""),
            "{fault:?} {answer}"
        );
        assert_eq!(scene.upstream.requests(), 0);
        let labels = format!("plugin=\"p\",reason=\"{reason}\",mode=\"enforce\"");
        let line = format!("gatewright_authentication_refusals_total{{{labels}}}");
        assert_eq!(scene.gateway.metric(&line).await, 1, "{fault:?} {reason}");
        scene.tokens.set(Fault::None);
        eventually("a token", async || status(&ask(&scene).await) == 200).await;
    }
}

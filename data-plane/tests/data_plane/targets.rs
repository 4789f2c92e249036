//! Which target a request goes to, how long it may take, and when another one is asked.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

pub(crate) fn named(name: &'static str) -> SocketAddr {
    upstream::scripted(move |mut socket| {
        while read_request(&mut socket).is_some() {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
                name.len()
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

/// An address at which nobody listens.
pub(crate) fn dead() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn balanced(targets: &[(&str, String, u32)]) -> Vec<(Kind, Value)> {
    let mut resources = vec![
        (
            Kind::Upstream,
            json!({"name": "u", "balancer": "round_robin"}),
        ),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ];
    resources.extend(targets.iter().map(|(name, address, weight)| {
        let target = json!({"name": name, "upstream": "u", "address": address, "weight": weight});
        (Kind::Target, target)
    }));
    resources
}

async fn single(service: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    gateway.apply(&[
        (Kind::Service, service),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    gateway
}

#[tokio::test]
async fn targets_take_turns_by_weight() {
    let mut gateway = Gateway::start().await;
    gateway.apply(&balanced(&[
        ("a", named("a").to_string(), 200),
        ("b", named("b").to_string(), 100),
        ("c", named("c").to_string(), 0),
    ]));
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..30 {
        let answer = gateway.get("/").await;
        *counts.entry(body(&answer).to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts, [("a".to_owned(), 20), ("b".to_owned(), 10)].into());
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_no_error_while_there_is_another() {
    let mut gateway = Gateway::start().await;
    gateway.apply(&balanced(&[
        ("a", named("a").to_string(), 100),
        ("b", dead().to_string(), 100),
    ]));
    for _ in 0..10 {
        let post = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        let answer = gateway.raw(post.as_bytes()).await;
        assert_eq!((status(&answer), body(&answer)), (200, "a"));
    }
}

#[tokio::test]
async fn what_a_target_may_have_seen_is_not_sent_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let closing = upstream::scripted(move |mut socket| {
        let _ = read_request(&mut socket);
        count.fetch_add(1, Ordering::Relaxed);
    });
    let mut gateway = Gateway::start().await;
    gateway.apply(&balanced(&[
        ("a", closing.to_string(), 100),
        ("b", closing.to_string(), 100),
    ]));
    let answer = gateway.get("/").await;
    assert_eq!(status(&answer), 502);
    assert!(answer.contains("bad_gateway"), "{answer}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_name_is_resolved_and_the_first_request_waits_for_it() {
    let upstream = upstream::echo();
    let url = format!("http://localhost:{}/", upstream.port());
    let gateway = single(json!({"name": "s", "url": url})).await;
    let answer = gateway.get("/").await;
    let host = format!("host: localhost:{}\r\n", upstream.port());
    assert!(body(&answer).contains(&host), "{answer}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_no_target() {
    let gateway = single(json!({"name": "s", "url": "http://nowhere.invalid"})).await;
    let answer = gateway.get("/").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("no_target"), "{answer}");
}

#[tokio::test]
async fn the_time_of_a_request_bounds_the_whole_answer() {
    let endless = upstream::scripted(|mut socket| {
        let _ = read_request(&mut socket);
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        let _ = socket.read(&mut [0]);
    });
    let url = format!("http://{endless}");
    let gateway = single(json!({"name": "s", "url": url, "request_timeout_ms": 100})).await;
    let answer = gateway.get("/").await;
    assert_eq!((status(&answer), body(&answer)), (200, "half"));
}

#[tokio::test]
async fn a_route_may_take_its_time() {
    let silent = upstream::scripted(|mut socket| while read_request(&mut socket).is_some() {});
    let mut gateway = Gateway::start().await;
    gateway.apply(&[
        (Kind::Service, json!({"name": "s", "url": format!("http://{silent}"), "request_timeout_ms": 0, "idle_timeout_ms": 100})),
        (Kind::Route, json!({"name": "idle", "service": "s", "paths": [{"exact": "/idle"}]})),
        (Kind::Route, json!({"name": "short", "service": "s", "paths": [{"exact": "/short"}], "request_timeout_ms": 50})),
    ]);
    let answer = gateway.get("/short").await;
    assert!(answer.contains("within 50 ms"), "{answer}");
    let answer = gateway.get("/idle").await;
    assert!(answer.contains("silent for too long"), "{answer}");
    assert_eq!(status(&answer), 504);
}

//! What the definitions of traffic management say and only sockets can show. `docs/vectors.md` lists where the others are tested.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    fleet::{Fleet, resources},
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

async fn gateway_to(target: std::net::SocketAddr, service: Value, flags: &[&str]) -> Gateway {
    let mut gateway = Gateway::start_with(flags).await;
    gateway.apply(&resources(&[target], service));
    gateway
}

/// Of ten requests in flight that fail together three are sent again: 20 % would be two, and the least is three.
#[tokio::test]
async fn of_ten_failures_at_a_time_three_are_sent_again() {
    let (together, asked) = (Arc::new(Barrier::new(10)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let target = upstream::scripted(move |mut socket| {
        while read_request(&mut socket).is_some() {
            let answer: &[u8] = if count.fetch_add(1, Ordering::SeqCst) < 10 {
                together.wait();
                // Those that are sent again wait, all of them together.
                b"HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            };
            if socket.write_all(answer).is_err() {
                return;
            }
        }
    });
    let service = json!({"retry": {"on": ["server_error"]}});
    let gateway = gateway_to(target, service, &[]).await;
    let asking = (0..10).map(|_| gateway.get("/"));
    let answers = futures_util::future::join_all(asking).await;
    let well = answers.iter().filter(|it| status(it) == 200).count();
    let failed = answers.iter().filter(|it| status(it) == 503).count();
    assert_eq!((well, failed, asked.load(Ordering::SeqCst)), (3, 7, 13));
    let overflows = "gatewright_retry_budget_overflows_total{service=\"s\"}";
    assert_eq!(gateway.metric(overflows).await, 7);
}

fn read_head(socket: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_the_answer() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let target = upstream::scripted(move |mut socket| {
        read_head(&mut socket);
        count.fetch_add(1, Ordering::SeqCst);
        let _ = socket.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nearly");
        while socket.read(&mut [0; 64]).unwrap_or(0) > 0 {}
    });
    let service = json!({"retry": {"on": ["server_error"], "attempts": 3}});
    let gateway = gateway_to(target, service, &["--body-timeout-ms", "300"]).await;
    let half = b"PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\nhalf";
    let answer = gateway.raw(half).await;
    assert_eq!((status(&answer), body(&answer)), (503, "early"));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_known_of_a_target_is_known_to_all_routes_and_services() {
    let mut fleet = Fleet::start(&[Fault::Status(500), Fault::None], json!({})).await;
    let outlier = json!({"consecutive_5xx": 4, "base_ejection_ms": "1h", "max_ejection_ms": "1h"});
    fleet.gateway.apply(&[
        (
            Kind::Upstream,
            json!({"name": "u", "balancer": "round_robin", "outlier_detection": outlier}),
        ),
        (Kind::Service, json!({"name": "other", "upstream": "u"})),
        (
            Kind::Route,
            json!({"name": "one", "service": "s", "paths": [{"exact": "/one"}]}),
        ),
        (
            Kind::Route,
            json!({"name": "two", "service": "other", "paths": [{"exact": "/two"}]}),
        ),
    ]);
    let mut failed = 0;
    for path in ["/", "/one", "/two"].iter().cycle().take(30) {
        failed += usize::from(status(&fleet.gateway.get(path).await) == 500);
    }
    assert_eq!((failed, fleet.requests()[0]), (4, 4));
}

#[tokio::test]
async fn a_connection_that_is_not_there_in_time_is_tried_once_more_and_503() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    // Reads what would be TLS, and never answers.
    let silent = upstream::scripted(move |mut socket| {
        count.fetch_add(1, Ordering::SeqCst);
        while socket.read(&mut [0; 64]).unwrap_or(0) > 0 {}
    });
    let mut gateway = Gateway::start().await;
    let url = format!("https://{silent}");
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": url, "connect_timeout_ms": 100}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    let answer = gateway.get("/").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("upstream_unreachable"), "{answer}");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_admission_control_refuses_is_503_and_says_so() {
    let service = json!({"admission": {}});
    let fleet = Fleet::start(&[Fault::Status(500)], service).await;
    let mut asked = 0;
    let refused = loop {
        let answer = fleet.send("GET", "").await;
        if answer.contains("denied_by_admission_control") {
            break answer;
        }
        asked += 1;
        assert!(asked < 1000, "{answer}");
    };
    assert_eq!(status(&refused), 503);
    assert_eq!(fleet.total(), asked, "it reached nobody");
}

#[tokio::test]
async fn nobody_is_told_of_attempts_who_did_not_ask() {
    let fleet = Fleet::start(&[Fault::None], json!({})).await;
    let answer = fleet.send("GET", "").await;
    assert!(!answer.contains("gatewright-attempt-count"), "{answer}");
}

/// The names of all functions in Rust files below a folder.
fn functions(folder: &std::path::Path, found: &mut std::collections::HashSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1);
            found.extend(names.filter_map(|it| Some(it.split_once('(')?.0.to_owned())));
        }
    }
}

#[test]
fn the_tests_that_the_docs_name_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut known = std::collections::HashSet::new();
    functions(&root.join("data-plane"), &mut known);
    for page in ["docs/vectors.md", "docs/resilience.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let rows = text.lines().filter(|it| it.starts_with("| "));
        let tests = rows.filter_map(|it| it.trim_end_matches('|').rsplit(" | ").next());
        let names: Vec<&str> = tests
            .flat_map(|it| it.split('`').skip(1).step_by(2))
            .collect();
        assert!(names.len() > 10, "{page}: {names:?}");
        for name in names {
            assert!(known.contains(name), "{page}: there is no test `{name}`");
        }
    }
}

//! What protects services and the node itself: limits, breakers, adaptive limits.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    gateway::{Gateway, status},
    upstream::{self, read_request},
};

/// Longest time that a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that answers when it is told to.
#[derive(Clone, Default)]
struct Held {
    asked: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Held {
    fn listen(&self) -> SocketAddr {
        let held = self.clone();
        upstream::scripted(move |mut socket| {
            held.connections.fetch_add(1, Ordering::SeqCst);
            while read_request(&mut socket).is_some() {
                held.asked.fetch_add(1, Ordering::SeqCst);
                let open = held.open.0.lock().unwrap();
                drop(held.open.1.wait_while(open, |open| !*open).unwrap());
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if std::io::Write::write_all(&mut socket, answer).is_err() {
                    return;
                }
            }
        })
    }

    async fn is_asked(&self, times: usize) {
        until(|| self.asked.load(Ordering::SeqCst) == times).await;
    }

    fn answer(&self) {
        *self.open.0.lock().unwrap() = true;
        self.open.1.notify_all();
    }
}

async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it does not come true");
        tokio::task::yield_now().await;
    }
}

/// Asks until the answer has this status.
async fn until_status(gateway: &Gateway, path: &str, expected: u16) -> String {
    let began = Instant::now();
    loop {
        let answer = gateway.get(path).await;
        if status(&answer) == expected {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "not {expected}: {answer}");
    }
}

async fn serving(service: Value, flags: &[&str]) -> Gateway {
    let mut gateway = Gateway::start_with(flags).await;
    gateway.apply(&[
        (Kind::Service, service),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]);
    gateway
}

/// An upstream with these limits.
fn limited(held: &Held, limits: &Value) -> [(Kind, Value); 4] {
    let address = held.listen().to_string();
    let target = json!({"name": "t", "upstream": "u", "address": address});
    [
        (Kind::Upstream, json!({"name": "u", "limits": limits})),
        (Kind::Target, target),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ]
}

/// Sends two that wait and one more, and returns its answer and what became of the others.
async fn third(gateway: &Gateway, held: &Held) -> (String, [u16; 2]) {
    let (one, two, third) = tokio::join!(gateway.get("/"), gateway.get("/"), async {
        held.is_asked(2).await;
        let third = gateway.get("/").await;
        held.answer();
        third
    });
    (third, [status(&one), status(&two)])
}

#[tokio::test]
async fn the_request_over_max_requests_gets_503_at_once_and_never_reaches_the_upstream() {
    let held = Held::default();
    let mut gateway = Gateway::start().await;
    gateway.apply(&limited(&held, &json!({"max_requests": 2})));
    let (answer, others) = third(&gateway, &held).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("upstream_overloaded"), "{answer}");
    assert_eq!(others, [200, 200]);
    assert_eq!(held.asked.load(Ordering::SeqCst), 2);
    until_status(&gateway, "/", 200).await;
    let metrics = gateway.status("/metrics").await;
    let shed = "gatewright_shed_requests_total{service=\"s\",reason=\"requests\"} 1";
    assert!(metrics.contains(shed), "{metrics}");
}

#[tokio::test]
async fn over_max_retries_the_failure_is_answered() {
    for (most, expected) in [(0, 1), (1, 2)] {
        let proxy = FaultProxy::with(upstream::echo(), Fault::Status(503));
        let mut gateway = Gateway::start().await;
        let address = proxy.address.to_string();
        gateway.apply(&[
            (
                Kind::Upstream,
                json!({"name": "u", "limits": {"max_retries": most}}),
            ),
            (
                Kind::Target,
                json!({"name": "t", "upstream": "u", "address": address}),
            ),
            (
                Kind::Service,
                json!({"name": "s", "upstream": "u", "retry": {"on": ["server_error"]}}),
            ),
            (Kind::Route, json!({"name": "r", "service": "s"})),
        ]);
        let answer = gateway.get("/").await;
        assert!(answer.contains("status 503"), "{answer}");
        assert_eq!(proxy.requests(), expected);
    }
}

#[tokio::test]
async fn over_max_connections_requests_wait_for_one_and_not_too_many_do() {
    let held = Held::default();
    let mut gateway = Gateway::start().await;
    let limits = json!({"max_connections": 1, "max_pending": 1});
    gateway.apply(&limited(&held, &limits));
    let pending = "gatewright_upstream_at_work{upstream=\"u\",what=\"pending\"} 1";
    let (one, two, refused) = tokio::join!(gateway.get("/"), gateway.get("/"), async {
        let began = Instant::now();
        while !gateway.status("/metrics").await.contains(pending) {
            assert!(began.elapsed() < PATIENCE, "none waits");
        }
        let refused = gateway.get("/").await;
        held.answer();
        refused
    });
    assert_eq!([status(&one), status(&two)], [200, 200]);
    assert_eq!(status(&refused), 503);
    assert!(
        refused.contains("no connection to the upstream is free"),
        "{refused}"
    );
    assert_eq!(held.asked.load(Ordering::SeqCst), 2);
    assert_eq!(held.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_adaptive_limit_refuses_what_is_over_it() {
    let held = Held::default();
    let url = format!("http://{}", held.listen());
    let concurrency = json!({"min_limit": 2, "max_limit": 2, "initial_limit": 2});
    let service = json!({"name": "s", "url": url, "concurrency": concurrency});
    let gateway = serving(service, &[]).await;
    let (answer, others) = third(&gateway, &held).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("upstream_overloaded"), "{answer}");
    assert_eq!(others, [200, 200]);
    let metrics = gateway.status("/metrics").await;
    assert!(
        metrics.contains("gatewright_concurrency_limit{service=\"s\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_node_with_too_much_to_do_says_when_to_come_back() {
    let held = Held::default();
    let service = json!({"name": "s", "url": format!("http://{}", held.listen())});
    let gateway = serving(service, &["--max-in-flight", "2"]).await;
    let (answer, others) = third(&gateway, &held).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("\"overloaded\""), "{answer}");
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\nretry-after: 2\r\n"),
        "{answer}"
    );
    assert_eq!(others, [200, 200]);
}

/// A service with a breaker, and routes that have it, another one, and none.
async fn broken(proxy: &FaultProxy) -> Gateway {
    let breaker = json!({"min_requests": 4, "open_ms": 300, "probes": 1});
    let mut gateway = Gateway::start().await;
    let route = |name: &str, breaker: Value| {
        let mut route =
            json!({"name": name, "service": "s", "paths": [{"exact": format!("/{name}")}]});
        if !breaker.is_null() {
            route["breaker"] = breaker;
        }
        (Kind::Route, route)
    };
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": format!("http://{}", proxy.address), "breaker": breaker}),
        ),
        route("service", Value::Null),
        route("own", json!({"min_requests": 100})),
        route("off", json!({"off": true})),
    ]);
    for _ in 0..4 {
        assert_eq!(status(&gateway.get("/service").await), 500);
    }
    gateway
}

#[tokio::test]
async fn an_open_breaker_spares_the_service_until_a_probe_succeeds() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Status(500));
    let gateway = broken(&proxy).await;
    let answer = gateway.get("/service").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("circuit_open"), "{answer}");
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\nretry-after: 1\r\n"),
        "{answer}"
    );
    assert_eq!(proxy.requests(), 4);
    let metrics = gateway.status("/metrics").await;
    let state = "gatewright_breaker_state{service=\"s\",route=\"\"} 1";
    assert!(metrics.contains(state), "{metrics}");
    // A probe that fails: only that one reaches it.
    until_status(&gateway, "/service", 500).await;
    assert_eq!(proxy.requests(), 5);
    assert_eq!(status(&gateway.get("/service").await), 503);
    proxy.set(Fault::None);
    until_status(&gateway, "/service", 200).await;
    assert_eq!(proxy.requests(), 6);
    assert_eq!(status(&gateway.get("/service").await), 200);
}

#[tokio::test]
async fn a_route_may_have_a_breaker_of_its_own_or_none() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Status(500));
    let gateway = broken(&proxy).await;
    assert_eq!(status(&gateway.get("/own").await), 500);
    assert_eq!(status(&gateway.get("/off").await), 500);
    assert_eq!(status(&gateway.get("/service").await), 503);
}

#[tokio::test]
async fn a_change_of_the_configuration_does_not_close_a_breaker() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Status(500));
    let mut gateway = broken(&proxy).await;
    let breaker = json!({"min_requests": 5, "open_ms": "1m", "window_ms": "20s"});
    gateway.apply(&[(
        Kind::Service,
        json!({"name": "s", "url": format!("http://{}", proxy.address), "breaker": breaker}),
    )]);
    assert_eq!(status(&gateway.get("/service").await), 503);
}

#[tokio::test]
async fn a_limit_falls_with_the_health_of_the_service() {
    let proxy = FaultProxy::with(upstream::echo(), Fault::Status(500));
    let service = json!({"name": "s", "url": format!("http://{}", proxy.address)});
    let mut gateway = serving(service, &[]).await;
    gateway.apply(&[(
        Kind::Plugin,
        json!({"name": "limit", "type": "rate-limit", "attach": {"service": "s"}, "settings": {
            "limits": [{"requests": 1_000_000, "per": "1m"}], "key": "service",
            "adaptive": {"floor_percent": 20},
        }}),
    )]);
    let began = Instant::now();
    loop {
        let answer = gateway.get("/").await.to_ascii_lowercase();
        if answer.contains("ratelimit-policy: \"limit\";q=500000;w=60\r\n") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
    }
    let metrics = gateway.status("/metrics").await;
    let row = "gatewright_rate_limit_effective_ratio{plugin=\"limit\",service=\"s\"} 0.";
    assert!(metrics.contains(row), "{metrics}");
}

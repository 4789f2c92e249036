//! Targets are asked whether they are healthy.

mod grpc;
mod target;
mod tls;

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::atomic::Ordering,
};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, eventually, status},
    upstream::scripted,
};
use target::Target;

fn pool(health_check: &Value, targets: &[(&str, SocketAddr)]) -> Vec<(Kind, Value)> {
    let mut resources = vec![
        (
            Kind::Upstream,
            json!({"name": "u", "balancer": "round_robin", "health_check": health_check}),
        ),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ];
    for (name, address) in targets {
        let address = address.to_string();
        let target = json!({"name": name, "upstream": "u", "address": address});
        resources.push((Kind::Target, target));
    }
    resources
}

async fn is_healthy(gateway: &Gateway, target: &str) -> bool {
    gateway.targets().await[target]["healthy"] == true
}

async fn count(gateway: &Gateway, result: &str) -> u64 {
    let labels = format!("{{upstream=\"u\",result=\"{result}\"}}");
    let line = format!("gatewright_health_checks_total{labels}");
    gateway.metric(&line).await
}

/// Who answers so many requests.
async fn names(gateway: &Gateway, requests: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..requests {
        let answer = gateway.get("/").await;
        assert_eq!(status(&answer), 200, "{answer}");
        names.push(body(&answer).to_owned());
    }
    names
}

#[tokio::test]
async fn a_target_that_says_so_gets_no_requests_until_it_has_passed_twice() {
    let (a, b) = (
        Target::start("a", &["200 ok"]),
        Target::start("b", &["503 no"]),
    );
    let mut gateway = Gateway::start().await;
    let check =
        json!({"http": {"path": "/healthz"}, "interval_ms": 100, "no_traffic_interval_ms": 100});
    gateway.apply(&pool(&check, &[("a", a.address), ("b", b.address)]));
    eventually("both are known", async || {
        let told = gateway.targets().await;
        told["a"]["healthy"] == true && told["b"]["reason"] == "status 503"
    })
    .await;
    assert_eq!(names(&gateway, 6).await, ["a"; 6]);
    let line = "gatewright_upstream_targets{upstream=\"u\",health=\"unhealthy\"}";
    assert_eq!(gateway.metric(line).await, 1);
    let before = b.checks();
    b.say(&["200 ok"]);
    eventually("it is back", async || is_healthy(&gateway, "b").await).await;
    assert!(b.checks() >= before + 2);
    let mut answered = names(&gateway, 4).await;
    answered.sort_unstable();
    assert_eq!(answered, ["a", "a", "b", "b"]);
}

#[tokio::test]
async fn a_new_target_gets_requests_once_its_first_check_has_passed() {
    let (a, b) = (Target::start("a", &["200 ok"]), Target::start("b", &[""]));
    let mut gateway = Gateway::start().await;
    let check = json!({"http": {"path": "/healthz"}, "timeout_ms": "60s", "healthy_threshold": 3});
    gateway.apply(&pool(&check, &[("a", a.address)]));
    eventually("it is known", async || is_healthy(&gateway, "a").await).await;
    gateway.apply(&pool(&check, &[("a", a.address), ("b", b.address)]));
    eventually("it is asked", async || b.checks() == 1).await;
    assert_eq!(gateway.targets().await["b"]["reason"], "not checked yet");
    assert_eq!(names(&gateway, 6).await, ["a"; 6]);
    let c = Target::start("c", &["200 ok"]);
    gateway.apply(&pool(&check, &[("a", a.address), ("c", c.address)]));
    eventually("one check is enough", async || {
        is_healthy(&gateway, "c").await
    })
    .await;
    assert!(names(&gateway, 8).await.contains(&"c".to_owned()));
}

#[tokio::test]
async fn the_request_and_what_must_be_in_the_body_are_what_was_asked_for() {
    let a = Target::start("a", &["204 {\"state\":\n\"up\"}"]);
    let mut gateway = Gateway::start().await;
    let check = json!({"interval_ms": 100, "no_traffic_interval_ms": 100, "http": {
        "path": "/healthz?deep=1", "method": "POST", "host": "health.test", "headers": {"X-Probe": "yes"},
        "expected_statuses": ["200-299"]}});
    gateway.apply(&pool(&check, &[("a", a.address)]));
    eventually("it is healthy", async || is_healthy(&gateway, "a").await).await;
    let last = a.last.lock().unwrap().to_ascii_lowercase();
    assert!(
        last.starts_with("post /healthz?deep=1 http/1.1\r\n"),
        "{last}"
    );
    for field in [
        "host: health.test",
        "x-probe: yes",
        "user-agent: gatewright-health-check",
    ] {
        assert!(last.contains(&format!("\r\n{field}\r\n")), "{last}");
    }
    a.say(&["200 {\"state\":\n\"up\"}"]);
    let matching = json!({"interval_ms": 100, "no_traffic_interval_ms": 100, "http": {
        "path": "/healthz", "body_contains": "state", "body_regex": "\"(up|warm)\""}});
    gateway.apply(&pool(&matching, &[("a", a.address)]));
    let before = a.checks();
    eventually("it has matched", async || a.checks() > before + 2).await;
    assert!(is_healthy(&gateway, "a").await);
    a.say(&["200 {\"state\":\n\"down\"}"]);
    let told = async || gateway.targets().await["a"]["reason"] == "the body does not match";
    eventually("it does not match", told).await;
    let mut little = matching;
    little["http"]["max_body_bytes"] = json!(10);
    a.say(&["200 {\"state\":\n\"up\"}"]);
    eventually("it matches", async || is_healthy(&gateway, "a").await).await;
    gateway.apply(&pool(&little, &[("a", a.address)]));
    eventually("what is beyond is not read", async || {
        !is_healthy(&gateway, "a").await
    })
    .await;
}

#[tokio::test]
async fn a_target_that_flaps_stays_as_it_is() {
    let a = Target::start("a", &["200 ok", "503 no", "503 no"]);
    let mut gateway = Gateway::start().await;
    let check = json!({"interval_ms": 100, "no_traffic_interval_ms": 100, "jitter_percent": 0,
        "http": {"path": "/healthz", "retriable_statuses": ["503"]}});
    gateway.apply(&pool(&check, &[("a", a.address)]));
    eventually("it has flapped", async || {
        count(&gateway, "failure").await >= 6
    })
    .await;
    assert!(is_healthy(&gateway, "a").await);
    a.say(&["503 no"]);
    eventually("it fails for good", async || {
        !is_healthy(&gateway, "a").await
    })
    .await;
    a.say(&["200 ok", "503 no"]);
    let passed = count(&gateway, "pass").await;
    eventually("it has flapped", async || {
        count(&gateway, "pass").await >= passed + 3
    })
    .await;
    assert!(!is_healthy(&gateway, "a").await);
    assert_eq!(count(&gateway, "unfit").await, 0);
}

#[tokio::test]
async fn checks_do_not_multiply_with_routes_and_share_a_connection() {
    let a = Target::start("a", &["200 ok"]);
    let mut gateway = Gateway::start().await;
    let check = json!({"http": {"path": "/healthz"}, "interval_ms": "1h"});
    let mut resources = pool(&check, &[("a", a.address)]);
    for number in 0..20 {
        let (service, route) = (format!("s{}", number % 3), format!("r{number}"));
        let path = format!("/{number}");
        resources.push((Kind::Service, json!({"name": service, "upstream": "u"})));
        resources.push((
            Kind::Route,
            json!({"name": route, "service": service, "paths": [{"exact": path}]}),
        ));
    }
    gateway.apply(&resources);
    eventually("it is healthy", async || is_healthy(&gateway, "a").await).await;
    // The first request of an upstream ends the longer pauses without traffic.
    assert_eq!(status(&gateway.get("/7").await), 200);
    eventually("it is asked again", async || a.checks() == 2).await;
    assert_eq!(status(&gateway.get("/8").await), 200);
    gateway.apply(&[(
        Kind::Route,
        json!({"name": "more", "service": "s", "paths": [{"exact": "/more"}]}),
    )]);
    assert_eq!(status(&gateway.get("/more").await), 200);
    assert_eq!(a.checks(), 2);
    // One of the checks, one of the requests.
    assert_eq!(a.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_is_enough_where_no_more_is_asked_for() {
    let a = Target::start("a", &["200 ok"]);
    let pong = scripted(|mut socket| {
        let _ = socket.read(&mut [0; 16]);
        let _ = socket.write_all(b"-ERR no\r\n+PONG\r\n");
        let _ = socket.read(&mut [0; 16]);
    });
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = dead.local_addr().unwrap();
    drop(dead);
    let mut gateway = Gateway::start().await;
    let targets = [("a", a.address), ("nobody", nobody), ("pong", pong)];
    gateway.apply(&pool(&json!({"tcp": {}, "timeout_ms": 5000}), &targets));
    eventually("all are known", async || {
        let told = gateway.targets().await;
        told["a"]["healthy"] == true
            && told["pong"]["healthy"] == true
            && told["nobody"]["reason"]
                .as_str()
                .unwrap()
                .contains("refused")
    })
    .await;
    assert_eq!(a.checks(), 0);
    let check = json!({"tcp": {"send": "PING\r\n", "expect": "+PONG"}, "timeout_ms": 200, "interval_ms": 100});
    gateway.apply(&pool(&check, &targets));
    eventually("silence is not enough", async || {
        !is_healthy(&gateway, "a").await
    })
    .await;
    assert!(is_healthy(&gateway, "pong").await);
}

#[tokio::test]
async fn a_target_that_does_not_answer_is_unhealthy_after_the_threshold() {
    let a = Target::start("a", &["200 ok"]);
    let mut gateway = Gateway::start().await;
    let check = json!({"http": {"path": "/healthz"}, "interval_ms": 100, "no_traffic_interval_ms": 100,
        "timeout_ms": 50, "unhealthy_threshold": 2});
    gateway.apply(&pool(&check, &[("a", a.address)]));
    eventually("it is healthy", async || is_healthy(&gateway, "a").await).await;
    let before = count(&gateway, "failure").await;
    a.say(&[""]);
    let told = async || gateway.targets().await["a"]["reason"] == "no answer within 50ms";
    eventually("it is unhealthy", async || {
        told().await && !is_healthy(&gateway, "a").await
    })
    .await;
    assert!(count(&gateway, "failure").await >= before + 2);
    gateway.apply(&[(Kind::Upstream, json!({"name": "u"}))]);
    eventually("who is not asked is believed", async || {
        is_healthy(&gateway, "a").await
    })
    .await;
}
#[tokio::test]
async fn a_request_waits_for_first_checks_and_is_told_when_no_target_is_healthy() {
    for (says, expected) in [("200 ok", 200), ("503 no", 503)] {
        let a = Target::start("a", &[says]);
        let mut gateway = Gateway::start().await;
        let check = json!({"http": {"path": "/healthz"}, "timeout_ms": 5000});
        let mut resources = pool(&check, &[("a", a.address)]);
        resources[0].1["panic_threshold_percent"] = json!(0);
        gateway.apply(&resources);
        let answer = gateway.get("/").await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert_eq!(answer.contains("no_healthy_target"), expected == 503);
    }
}

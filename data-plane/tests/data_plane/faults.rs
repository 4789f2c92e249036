//! Faults that are asked for.

use std::time::{Duration, Instant};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    upstream::named,
};

async fn faulty(settings: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    let url = format!("http://{}", named(200, "s"));
    let plugin =
        json!({"name": "f", "type": "fault", "attach": {"route": "r"}, "settings": settings});
    gateway.apply(&[
        (
            Kind::Service,
            json!({"name": "s", "url": url, "request_timeout_ms": 1000}),
        ),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (Kind::Plugin, plugin),
    ]);
    gateway
}

#[tokio::test]
async fn an_abort_takes_the_place_of_the_service() {
    let gateway = faulty(json!({"abort": {"status": 503}})).await;
    let answer = gateway.get("/").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("\"code\":\"fault_injected\""), "{answer}");
    let line =
        "gatewright_plugin_refusals_total{plugin=\"f\",code=\"fault_injected\",mode=\"enforce\"}";
    assert_eq!(gateway.metric(line).await, 1);
    let line = "gatewright_upstream_duration_seconds_count{service=\"s\"}";
    assert_eq!(gateway.metric(line).await, 0, "nothing was sent");
}

#[tokio::test]
async fn a_delay_comes_first_and_is_no_part_of_the_timeout() {
    let gateway = faulty(json!({"delay": {"ms": 1200}})).await;
    let began = Instant::now();
    assert_eq!(body(&gateway.get("/").await), "s");
    assert!(began.elapsed() >= Duration::from_millis(1200));
}

#[tokio::test]
async fn other_requests_go_on_while_one_waits() {
    let gateway = faulty(json!({"by_header": true})).await;
    let slow = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nGatewright-Fault-Delay-Ms: 60000\r\n\r\n";
    let waits = gateway.raw(slow.as_bytes());
    tokio::pin!(waits);
    for _ in 0..3 {
        tokio::select! {
            answer = &mut waits => panic!("{answer}"),
            answer = gateway.get("/") => assert_eq!(body(&answer), "s"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_slowed_comes_whole() {
    let gateway = faulty(json!({"pace": {"kib_per_second": 1}})).await;
    let answer = gateway.get("/").await;
    assert_eq!((status(&answer), body(&answer)), (200, "s"));
    assert!(
        answer.to_lowercase().contains("content-length: 1\r\n"),
        "{answer}"
    );
}

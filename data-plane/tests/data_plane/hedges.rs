//! Requests that are sent to a second target before the first has answered.

use std::{
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use serde_json::json;

use crate::{
    fault::Fault,
    fleet::{Fleet, resources},
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

const WON: &str = "gatewright_hedges_total{service=\"s\",result=\"won\"}";
const LOST: &str = "gatewright_hedges_total{service=\"s\",result=\"lost\"}";

#[tokio::test]
async fn the_answer_of_the_faster_target_wins() {
    let service = json!({"hedge": {"delay_ms": 30}});
    let fleet = Fleet::start(&[Fault::Hang, Fault::None], service).await;
    for _ in 0..4 {
        let answer = fleet.send("PUT", "twice").await;
        assert_eq!(status(&answer), 200);
        assert!(body(&answer).ends_with("twice"), "{answer}");
    }
    assert_eq!(
        fleet.requests(),
        [2, 4],
        "those that began at the one that hangs"
    );
    assert_eq!((fleet.metric(WON).await, fleet.metric(LOST).await), (2, 0));
}

#[tokio::test]
async fn a_method_that_is_not_idempotent_is_not_hedged() {
    let service = json!({"hedge": {"delay_ms": 10}});
    let slow = Fault::Slow(Duration::from_millis(100));
    let fleet = Fleet::start(&[slow, slow], service).await;
    assert_eq!(status(&fleet.send("POST", "once").await), 200);
    assert_eq!(fleet.total(), 1);
}

#[tokio::test]
async fn hedges_are_within_the_budget_of_retries() {
    let service = json!({
        "hedge": {"delay_ms": 10},
        "retry": {"budget": {"percent": 0, "min": 0}},
    });
    let slow = Fault::Slow(Duration::from_millis(100));
    let fleet = Fleet::start(&[slow, slow], service).await;
    assert_eq!(status(&fleet.send("GET", "").await), 200);
    assert_eq!(fleet.total(), 1);
    let overflows = "gatewright_retry_budget_overflows_total{service=\"s\"}";
    assert_eq!(fleet.metric(overflows).await, 1);
}

/// The first request is answered well, but only when the second has been answered badly.
#[tokio::test]
async fn at_the_time_of_an_attempt_it_goes_on_and_a_bad_answer_of_another_is_forgotten() {
    let count = Arc::new(AtomicUsize::new(0));
    let (second, answered) = mpsc::sync_channel::<()>(1);
    let answered = Arc::new(Mutex::new(answered));
    let target = upstream::scripted(move |mut socket| {
        while read_request(&mut socket).is_some() {
            let answer = if count.fetch_add(1, Ordering::Relaxed) == 0 {
                let _ = answered.lock().unwrap().recv();
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
            } else {
                let _ = second.send(());
                "HTTP/1.1 503 No\r\nContent-Length: 6\r\n\r\nsecond"
            };
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    let mut gateway = Gateway::start().await;
    let service = json!({
        "hedge": {},
        "retry": {"on": ["server_error"], "attempts": 0, "per_try_timeout_ms": 50},
    });
    gateway.apply(&resources(&[target], service));
    let answer = gateway.get("/").await;
    assert_eq!((status(&answer), body(&answer)), (200, "first"));
    let metrics = gateway.status("/metrics").await;
    assert!(metrics.contains(&format!("{LOST} 1")), "{metrics}");
}

#[tokio::test]
async fn when_all_have_failed_it_is_retried_like_any_other() {
    let service = json!({
        "hedge": {"delay_ms": 0},
        "retry": {"on": ["server_error"], "attempts": 1, "backoff": {"base_ms": 1, "max_ms": 1}},
    });
    let fleet = Fleet::start(&[Fault::Status(500), Fault::Status(500)], service).await;
    assert_eq!(status(&fleet.send("GET", "").await), 500);
    assert_eq!(fleet.total(), 3, "two at once, and a retry");
}

//! What is sent again, to whom, and what the client sees of it.

use std::io::Write as _;

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    fleet::{Fleet, resources},
    gateway::{Gateway, body, status},
    upstream::{self, read_request},
};

/// A retry policy without waiting between attempts.
fn retry(mut policy: Value) -> Value {
    policy["backoff"] = json!({"base_ms": 1, "max_ms": 1});
    json!({ "retry": policy })
}

#[tokio::test]
async fn by_default_a_connection_that_fails_is_tried_once_more_and_elsewhere() {
    let fleet = Fleet::start(&[Fault::Refuse, Fault::None], json!({})).await;
    for _ in 0..6 {
        assert_eq!(status(&fleet.send("POST", "order").await), 200);
    }
    assert_eq!(fleet.requests(), [0, 6]);
    let retried = "gatewright_retries_total{service=\"s\",reason=\"connect_failure\"}";
    assert_eq!(fleet.metric(retried).await, 3);
    fleet.targets[0].set(Fault::None);
    for _ in 0..6 {
        assert_eq!(status(&fleet.send("POST", "order").await), 200);
    }
    assert_eq!(fleet.requests(), [3, 9], "it is back at once");
}

#[tokio::test]
async fn a_service_whose_only_target_refuses_is_503() {
    let fleet = Fleet::start(&[Fault::Refuse], json!({})).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("upstream_unreachable"), "{answer}");
}

#[tokio::test]
async fn by_default_nothing_is_sent_again_that_a_target_may_have_seen() {
    for (fault, expected) in [
        (Fault::ResetMidHead, 502),
        (Fault::Garbage, 502),
        (Fault::Status(503), 503),
    ] {
        let fleet = Fleet::start(&[fault, fault], json!({})).await;
        assert_eq!(status(&fleet.send("GET", "").await), expected, "{fault:?}");
        assert_eq!(fleet.total(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_target_that_resets_answers_slowly_or_with_garbage_is_replaced_by_another() {
    for fault in [
        Fault::ResetAtOnce,
        Fault::ResetMidHead,
        Fault::Garbage,
        Fault::Hang,
        Fault::Status(500),
    ] {
        let policy = retry(json!({"on": ["server_error"], "per_try_timeout_ms": 200}));
        let fleet = Fleet::start(&[fault, Fault::None], policy).await;
        for _ in 0..4 {
            let answer = fleet.send("GET", "").await;
            assert_eq!(status(&answer), 200, "{fault:?}: {answer}");
        }
        assert_eq!(fleet.requests()[1], 4, "{fault:?}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_idempotent_is_sent_again_only_where_the_policy_says_so() {
    let on = json!({"on": ["server_error"]});
    let fleet = Fleet::start(&[Fault::HalfStatus], retry(on)).await;
    let answer = fleet.send("POST", "order").await;
    assert_eq!((status(&answer), body(&answer)), (503, "status 503"));
    assert_eq!(fleet.total(), 1);
    let on = json!({"on": ["server_error"], "methods": ["GET", "POST"]});
    let fleet = Fleet::start(&[Fault::HalfStatus], retry(on)).await;
    let answer = fleet.send("POST", "the order").await;
    assert_eq!(status(&answer), 200);
    assert!(
        body(&answer).ends_with("the order"),
        "its body too: {answer}"
    );
    assert_eq!(fleet.total(), 2);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_keep_is_sent_once() {
    let on = json!({"on": ["server_error"], "max_body_bytes": 8});
    let fleet = Fleet::start(&[Fault::HalfStatus], retry(on)).await;
    assert_eq!(status(&fleet.send("PUT", "12345678").await), 200);
    assert_eq!(fleet.total(), 2);
    assert_eq!(status(&fleet.send("PUT", "123456789").await), 503);
    assert_eq!(fleet.total(), 3);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_good_by_another() {
    let on = json!({"on": ["server_error"]});
    let fleet = Fleet::start(&[Fault::ResetMidBody, Fault::ResetMidBody], retry(on)).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!((status(&answer), body(&answer)), (200, "half"));
    assert_eq!(fleet.total(), 1);
}

#[tokio::test]
async fn a_target_that_fails_half_of_the_time_is_no_error() {
    let on = json!({"on": ["gateway_error"], "attempts": 2, "other_target": "any"});
    let fleet = Fleet::start(&[Fault::HalfStatus], retry(on)).await;
    for _ in 0..20 {
        assert_eq!(status(&fleet.send("GET", "").await), 200);
    }
    assert_eq!(fleet.total(), 40);
}

#[tokio::test]
async fn when_there_are_no_more_attempts_the_client_gets_the_last_answer() {
    let on = json!({"on": ["server_error"], "attempts": 3, "attempt_count": true});
    let fleet = Fleet::start(&[Fault::Status(500)], retry(on)).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!((status(&answer), body(&answer)), (500, "status 500"));
    assert!(
        answer.contains("gatewright-attempt-count: 4\r\n"),
        "{answer}"
    );
    assert_eq!(fleet.total(), 4);
    fleet.targets[0].set(Fault::None);
    let answer = fleet.send("GET", "").await;
    let seen = body(&answer);
    assert!(seen.contains("gatewright-attempt-count: 1\r\n"), "{seen}");
}

#[tokio::test]
async fn targets_that_were_tried_are_avoided_or_excluded() {
    let on = json!({"on": ["server_error"], "attempts": 5, "other_target": "require"});
    let fault = Fault::Status(502);
    let fleet = Fleet::start(&[fault, fault, fault], retry(on)).await;
    assert_eq!(status(&fleet.send("GET", "").await), 502);
    assert_eq!(fleet.requests(), [1, 1, 1]);
}

#[tokio::test]
async fn beyond_the_budget_the_first_answer_stands() {
    let on = json!({"on": ["server_error"], "budget": {"percent": 0, "min": 0}});
    let fleet = Fleet::start(&[Fault::Status(503)], retry(on)).await;
    let answer = fleet.send("GET", "").await;
    assert_eq!((status(&answer), body(&answer)), (503, "status 503"));
    assert_eq!(fleet.total(), 1);
    let overflows = "gatewright_retry_budget_overflows_total{service=\"s\"}";
    assert_eq!(fleet.metric(overflows).await, 1);
}

#[tokio::test]
async fn a_route_has_a_policy_of_its_own() {
    let on = json!({"on": ["server_error"], "attempts": 3});
    let mut fleet = Fleet::start(&[Fault::Status(500)], retry(on)).await;
    fleet.gateway.apply(&[(
        Kind::Route,
        json!({"name": "once", "service": "s", "paths": [{"exact": "/once"}], "retry": {"attempts": 0}}),
    )]);
    assert_eq!(status(&fleet.gateway.get("/once").await), 500);
    assert_eq!(fleet.total(), 1);
}

/// An upstream that gives these answers, one a request, and then the last one again and again.
fn answers(answers: &[&'static str]) -> std::net::SocketAddr {
    let answers = answers.to_vec();
    let given = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    upstream::scripted(move |mut socket| {
        while read_request(&mut socket).is_some() {
            let place = given.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let answer = answers[place.min(answers.len() - 1)];
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";

async fn gateway_to(target: std::net::SocketAddr, service: Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    gateway.apply(&resources(&[target], service));
    gateway
}

#[tokio::test]
async fn a_retry_that_could_not_be_in_time_is_not_waited_for() {
    let busy = "HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nbusy";
    let policy = retry(json!({"on": ["server_error"]}));
    let gateway = gateway_to(answers(&[busy, GOOD]), policy).await;
    let answer = gateway.get("/").await;
    assert_eq!((status(&answer), body(&answer)), (503, "busy"));
    let mut policy = retry(json!({"on": ["server_error"], "respect_retry_after": false}));
    policy["request_timeout_ms"] = json!(10_000);
    let gateway = gateway_to(answers(&[busy, GOOD]), policy).await;
    assert_eq!(body(&gateway.get("/").await), "good");
}

#[tokio::test]
async fn what_the_policy_lists_of_a_response_is_sent_again() {
    for (policy, first) in [
        (
            json!({"on": ["rate_limited"]}),
            "HTTP/1.1 429 Many\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            json!({"on": ["conflict"]}),
            "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            json!({"on": ["statuses"], "statuses": [404]}),
            "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            json!({"on": ["headers"], "headers": [{"name": "x-again", "value": {"regex": "y.*"}}]}),
            "HTTP/1.1 200 OK\r\nX-Again: yes\r\nContent-Length: 0\r\n\r\n",
        ),
    ] {
        let list = [first, GOOD];
        let gateway = gateway_to(answers(&list), retry(policy.clone())).await;
        assert_eq!(body(&gateway.get("/").await), "good", "{policy}");
        // Without the condition it is the answer.
        let gateway = gateway_to(answers(&list), retry(json!({"on": ["reset"]}))).await;
        assert_eq!(body(&gateway.get("/").await), "", "{policy}");
    }
}

#[tokio::test]
async fn the_access_line_tells_of_each_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let flags = ["--access-log", log.to_str().unwrap()];
    let on = json!({"on": ["server_error"], "attempts": 1});
    let fleet = Fleet::start_with(&flags, &[Fault::Status(500), Fault::Refuse], retry(on)).await;
    let answer = fleet.send("GET", "").await;
    let first = fleet.requests()[0];
    fleet.gateway.node.drain().await;
    let line = std::fs::read_to_string(log).unwrap();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(first, 1);
    assert_eq!(line["attempts"], 2, "{line}");
    assert_eq!(line["not_retried"], "exhausted", "{line}");
    // Which target is first is the balancer's to say.
    let tried = line["tried"].as_array().unwrap();
    let answered = tried.iter().find(|it| it["end"] == "response").unwrap();
    let refused = tried.iter().find(|it| it["end"] == "connect").unwrap();
    assert_eq!(answered["status"], 500);
    assert!(refused["status"].is_null());
    let why = &tried[1]["why"];
    assert!(*why == "status" || *why == "connect_failure", "{line}");
    assert!(tried[0]["why"].is_null(), "{line}");
    assert!([500, 503].contains(&status(&answer)), "{answer}");
}

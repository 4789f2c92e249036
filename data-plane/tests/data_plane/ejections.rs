//! Targets that fail requests are left out, and come back.

use std::{net::SocketAddr, time::Duration};

use gatewright_proto::Kind;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    fault::{Fault, FaultProxy},
    gateway::{Gateway, eventually, status},
    upstream,
};

/// Targets `t0`, `t1` and so on, each with its fault, of an upstream `u` with these settings.
struct Pool {
    gateway: Gateway,
    targets: Vec<FaultProxy>,
}

impl Pool {
    async fn start(faults: &[Fault], outlier_detection: &Value) -> Self {
        let echo = upstream::echo();
        let targets = faults.iter().map(|fault| FaultProxy::with(echo, *fault));
        let mut pool = Self {
            gateway: Gateway::start().await,
            targets: targets.collect(),
        };
        let mut resources = vec![
            (Kind::Service, json!({"name": "s", "upstream": "u"})),
            (Kind::Route, json!({"name": "r", "service": "s"})),
        ];
        for (number, target) in pool.targets.iter().enumerate() {
            let address = target.address.to_string();
            let target = json!({"name": format!("t{number}"), "upstream": "u", "address": address});
            resources.push((Kind::Target, target));
        }
        resources.push((Kind::Upstream, upstream_with(outlier_detection)));
        pool.gateway.apply(&resources);
        pool
    }

    /// The statuses of so many requests.
    async fn ask(&self, requests: usize) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..requests {
            statuses.push(status(&self.gateway.get("/").await));
        }
        statuses
    }

    /// The requests that each target has had.
    fn requests(&self) -> Vec<u64> {
        self.targets.iter().map(FaultProxy::requests).collect()
    }

    async fn is_ejected(&self, target: &str) -> bool {
        self.gateway.targets().await[target]["ejected"] == true
    }

    async fn ejections(&self, detector: &str) -> u64 {
        let labels = format!("{{upstream=\"u\",detector=\"{detector}\"}}");
        let line = format!("gatewright_ejections_total{labels}");
        self.gateway.metric(&line).await
    }
}

fn upstream_with(outlier_detection: &Value) -> Value {
    json!({"name": "u", "balancer": "round_robin", "outlier_detection": outlier_detection})
}

#[tokio::test]
async fn a_target_that_answers_5xx_is_ejected_and_no_change_of_the_configuration_forgets_it() {
    let settings = json!({"consecutive_5xx": 3, "base_ejection_ms": "1h"});
    let mut pool = Pool::start(&[Fault::Status(500), Fault::None], &settings).await;
    let failed = pool.ask(6).await.iter().filter(|it| **it == 500).count();
    assert_eq!((failed, pool.requests()[0]), (3, 3));
    assert_eq!(pool.ask(10).await, [200; 10]);
    let told = &pool.gateway.targets().await["t0"];
    assert_eq!(
        (&told["ejected"], &told["reason"]),
        (&json!(true), &json!("consecutive_5xx"))
    );
    assert_eq!(pool.ejections("consecutive_5xx").await, 1);

    let changed = json!({"consecutive_5xx": 4, "base_ejection_ms": "1h"});
    pool.gateway
        .apply(&[(Kind::Upstream, upstream_with(&changed))]);
    assert_eq!(pool.ask(4).await, [200; 4]);
    assert_eq!(pool.requests()[0], 3);

    pool.gateway
        .apply(&[(Kind::Upstream, upstream_with(&json!({"enabled": false})))]);
    eventually("it is back", async || !pool.is_ejected("t0").await).await;
    let statuses = pool.ask(20).await;
    let failed = statuses.iter().filter(|it| **it == 500).count();
    assert_eq!(failed, 10, "nothing is ejected any more: {statuses:?}");
}

#[tokio::test]
async fn nothing_needs_to_be_configured() {
    let pool = Pool::start(&[Fault::Status(503), Fault::None], &json!({})).await;
    pool.ask(20).await;
    assert_eq!(pool.requests(), [5, 15]);
}

#[tokio::test]
async fn an_ejected_target_comes_back_when_its_time_is_over() {
    let settings = json!({"consecutive_5xx": 2, "base_ejection_ms": 100});
    let pool = Pool::start(&[Fault::Status(500), Fault::None], &settings).await;
    pool.ask(4).await;
    assert_eq!(pool.ejections("consecutive_5xx").await, 1);
    pool.targets[0].set(Fault::None);
    eventually("it gets requests again", async || {
        assert_eq!(pool.ask(2).await, [200; 2]);
        pool.requests()[0] > 2
    })
    .await;
}

#[tokio::test]
async fn a_target_that_refuses_connections_is_not_tried_with_every_request() {
    let settings = json!({"base_ejection_ms": "1h", "split_local_failures": true});
    let pool = Pool::start(&[Fault::Refuse, Fault::None], &settings).await;
    assert_eq!(pool.ask(10).await, [200; 10], "another target answers");
    assert_eq!(pool.ejections("consecutive_local_failures").await, 1);
}

#[tokio::test]
async fn the_last_target_is_never_ejected() {
    let settings =
        json!({"consecutive_5xx": 1, "base_ejection_ms": "1h", "max_ejection_percent": 100});
    let pool = Pool::start(&[Fault::Status(500), Fault::Status(503)], &settings).await;
    pool.ask(10).await;
    assert_eq!(pool.ejections("consecutive_5xx").await, 1);
    let mut requests = pool.requests();
    requests.sort_unstable();
    assert_eq!(requests, [1, 9]);
    let spared = "gatewright_ejections_spared_total{upstream=\"u\"}";
    assert!(pool.gateway.metric(spared).await > 0);
}

#[tokio::test]
async fn at_most_half_of_the_targets_are_ejected() {
    let settings = json!({"consecutive_5xx": 1, "base_ejection_ms": "1h"});
    let pool = Pool::start(&[Fault::Status(500); 3], &settings).await;
    pool.ask(12).await;
    assert_eq!(pool.ejections("consecutive_5xx").await, 1);
}

/// `max_fails=2 fail_timeout=1h`, with `proxy_next_upstream error timeout` as it is by default.
const NGINX: &str = r#"{"split_local_failures": true, "consecutive_5xx": 0, "consecutive_local_failures": 0,
    "failure_count": {"count": 2, "within_ms": "1h"}, "base_ejection_ms": "1h", "max_ejection_ms": "1h",
    "max_ejection_percent": 100, "probe": true}"#;

#[tokio::test]
async fn max_fails_and_fail_timeout_of_nginx_can_be_said() {
    let settings: Value = serde_json::from_str(NGINX).unwrap();
    let pool = Pool::start(&[Fault::ResetMidHead, Fault::None], &settings).await;
    pool.ask(2).await;
    pool.targets[0].set(Fault::Status(500));
    pool.ask(4).await;
    assert_eq!(
        pool.requests()[0],
        3,
        "an answer is no failure, and does not make up for one"
    );
    pool.targets[0].set(Fault::ResetMidHead);
    pool.ask(4).await;
    assert_eq!(pool.ejections("failure_count").await, 1);
    assert_eq!(pool.requests()[0], 4);
}

#[tokio::test]
async fn one_request_finds_out_whether_a_target_is_well_again() {
    let settings = json!({"consecutive_5xx": 3, "base_ejection_ms": 100, "probe": true});
    let pool = Pool::start(&[Fault::Status(500), Fault::None], &settings).await;
    pool.ask(6).await;
    assert_eq!(pool.requests()[0], 3);
    eventually("it is tried", async || {
        pool.ask(1).await;
        pool.requests()[0] == 4
    })
    .await;
    assert_eq!(pool.ejections("probe").await, 1, "one failure is enough");
    pool.targets[0].set(Fault::None);
    eventually("it is back for good", async || {
        pool.ask(1).await;
        !pool.is_ejected("t0").await
    })
    .await;
    assert_eq!(pool.ejections("consecutive_5xx").await, 1);
}

#[tokio::test]
async fn a_target_that_succeeds_far_less_often_than_the_others_is_ejected() {
    let settings = json!({"consecutive_5xx": 0, "interval_ms": 1000, "base_ejection_ms": "1h",
        "success_rate": {"min_requests": 2}});
    let mut faults = [Fault::None; 5];
    faults[3] = Fault::Status(500);
    let pool = Pool::start(&faults, &settings).await;
    eventually("it is ejected", async || {
        pool.ask(10).await;
        pool.ejections("success_rate").await == 1
    })
    .await;
    assert!(pool.is_ejected("t3").await);
}

#[tokio::test]
async fn a_target_most_of_whose_requests_fail_is_ejected() {
    let settings = json!({"consecutive_5xx": 0, "interval_ms": 1000, "base_ejection_ms": "1h",
        "failure_percentage": {"threshold_percent": 50, "min_hosts": 2, "min_requests": 2}});
    let pool = Pool::start(&[Fault::HalfStatus, Fault::None], &settings).await;
    eventually("it is ejected", async || {
        pool.ask(10).await;
        pool.ejections("failure_percentage").await == 1
    })
    .await;
}

#[tokio::test]
async fn a_health_check_that_passes_ends_an_ejection() {
    let mut pool = Pool::start(
        &[Fault::Status(500), Fault::None],
        &json!({"consecutive_5xx": 1, "base_ejection_ms": "1h"}),
    )
    .await;
    pool.ask(2).await;
    assert!(pool.is_ejected("t0").await);
    pool.targets[0].set(Fault::Slow(Duration::ZERO));
    let checked = json!({"name": "u", "health_check": {"tcp": {}},
        "outlier_detection": {"consecutive_5xx": 1, "base_ejection_ms": "1h"}});
    pool.gateway.apply(&[(Kind::Upstream, checked)]);
    eventually("it is back", async || !pool.is_ejected("t0").await).await;
    assert_eq!(pool.ask(4).await, [200; 4]);
}

#[tokio::test]
async fn a_client_that_does_not_wait_says_nothing_of_a_target() {
    let settings = json!({"consecutive_5xx": 1, "base_ejection_ms": "1h"});
    let mut pool = Pool::start(&[Fault::Hang, Fault::Hang], &settings).await;
    let service = json!({"name": "s", "upstream": "u", "deadline": {"header": "x-timeout-ms"}, "request_timeout_ms": 200});
    pool.gateway.apply(&[(Kind::Service, service)]);
    let ask = async |milliseconds: u32| {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Timeout-Ms: {milliseconds}\r\n\r\n"
        );
        assert_eq!(status(&pool.gateway.raw(request.as_bytes()).await), 504);
    };
    for _ in 0..4 {
        ask(20).await;
    }
    assert_eq!(pool.ejections("consecutive_5xx").await, 0);
    ask(2000).await;
    assert_eq!(pool.ejections("consecutive_5xx").await, 1);
}

/// A target that speaks HTTP/2 and waits for the end of a body.
async fn waiting_http2() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut frames = h2::server::handshake(socket).await.unwrap();
                let mut waiting = Vec::new();
                while let Some(Ok(request)) = frames.accept().await {
                    waiting.push(request);
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_that_stops_sending_its_body_does_not_eject_targets() {
    let settings = json!({"consecutive_5xx": 1, "base_ejection_ms": "1h"});
    let mut pool = Pool::start(&[Fault::None; 2], &settings).await;
    let request =
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9\r\n\r\nabc";
    for protocol in ["http1", "http2"] {
        let service =
            json!({"name": "s", "upstream": "u", "idle_timeout_ms": 100, "protocol": protocol});
        pool.gateway.apply(&[(Kind::Service, service)]);
        let answer = pool.gateway.raw(request).await;
        assert_eq!(status(&answer), 408, "{protocol}: {answer}");
        assert_eq!(pool.ejections("consecutive_5xx").await, 0, "{protocol}");
        for name in ["t0", "t1"] {
            let address = waiting_http2().await.to_string();
            let target = json!({"name": name, "upstream": "u", "address": address});
            pool.gateway.apply(&[(Kind::Target, target)]);
        }
    }
}

//! Three targets of which one fails, and what comes of it.

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    fleet::Fleet,
    gateway::{eventually, status},
};

/// An answer that ends before the length that it announced.
pub(crate) const BROKEN_OFF: u16 = 0;

/// Three targets that take turns, `t0`, `t1` and `t2`, of which `t0` fails.
pub(crate) struct Scene(pub(crate) Fleet);

/// What requests in a row come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Toll {
    /// What clients saw other than 200, in order.
    pub(crate) failed: Vec<u16>,
    /// How many requests reached `t0`.
    pub(crate) failing: u64,
    /// How many reached the other two.
    pub(crate) well: u64,
}

pub(crate) fn toll(failed: &[u16], failing: u64, well: u64) -> Toll {
    Toll {
        failed: failed.to_vec(),
        failing,
        well,
    }
}

impl Scene {
    /// With this fault, for a service with these fields. Whoever is ejected stays so for the rest of the test.
    pub(crate) async fn start(fault: Fault, service: Value) -> Self {
        Self::with(
            fault,
            service,
            json!({"outlier_detection": {"base_ejection_ms": "1h", "max_ejection_ms": "1h"}}),
        )
        .await
    }

    /// With this fault, for a service and an upstream with these fields.
    pub(crate) async fn with(fault: Fault, service: Value, mut upstream: Value) -> Self {
        let mut fleet = Fleet::start(&[fault, Fault::None, Fault::None], service).await;
        upstream["name"] = json!("u");
        if upstream["balancer"].is_null() {
            upstream["balancer"] = json!("round_robin");
        }
        fleet.gateway.apply(&[(Kind::Upstream, upstream)]);
        Self(fleet)
    }

    pub(crate) fn failing(&self) -> &FaultProxy {
        &self.0.targets[0]
    }

    /// What so many requests come to.
    pub(crate) async fn toll(&self, requests: usize) -> Toll {
        let before = self.0.requests();
        let mut failed = Vec::new();
        for _ in 0..requests {
            failed.push(seen(&self.0.send("GET", "").await));
        }
        failed.retain(|status| *status != 200);
        let reached = self.0.requests();
        Toll {
            failed,
            failing: reached[0] - before[0],
            well: reached[1..].iter().sum::<u64>() - before[1..].iter().sum::<u64>(),
        }
    }

    pub(crate) async fn none_fails_of(&self, requests: usize) {
        let toll = self.toll(requests).await;
        assert!(toll.failed.is_empty(), "{toll:?}");
    }

    pub(crate) async fn ejections(&self, detector: &str) -> u64 {
        let labels = format!("{{upstream=\"u\",detector=\"{detector}\"}}");
        let line = format!("gatewright_ejections_total{labels}");
        self.0.gateway.metric(&line).await
    }

    pub(crate) async fn retries(&self, reason: &str) -> u64 {
        let labels = format!("{{service=\"s\",reason=\"{reason}\"}}");
        let line = format!("gatewright_retries_total{labels}");
        self.0.gateway.metric(&line).await
    }

    /// Nothing fails from now on, and `t0` is used again.
    pub(crate) async fn is_used_again(&self) {
        self.failing().set(Fault::None);
        let before = self.failing().requests();
        eventually("it is used again", async || {
            self.none_fails_of(3).await;
            self.failing().requests() > before
        })
        .await;
    }
}

/// What a client makes of an answer.
pub(crate) fn seen(answer: &str) -> u16 {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|it| it.split("\r\n").next()?.parse::<usize>().ok());
    match length.is_some_and(|length| length > body.len()) {
        true => BROKEN_OFF,
        false => status(answer),
    }
}

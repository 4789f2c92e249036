//! A gateway in front of targets that fail.

use std::net::SocketAddr;

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    fault::{Fault, FaultProxy},
    gateway::Gateway,
    upstream,
};

/// A gateway, and the proxies that are its targets.
pub(crate) struct Fleet {
    pub(crate) gateway: Gateway,
    pub(crate) targets: Vec<FaultProxy>,
}

impl Fleet {
    /// Targets with these faults, for one service with these fields.
    pub(crate) async fn start(faults: &[Fault], service: Value) -> Self {
        Self::start_with(&[], faults, service).await
    }

    /// Likewise, with flags of the node.
    pub(crate) async fn start_with(flags: &[&str], faults: &[Fault], service: Value) -> Self {
        let echo = upstream::echo();
        let proxy = |fault: &Fault| FaultProxy::with(echo, *fault);
        let targets: Vec<FaultProxy> = faults.iter().map(proxy).collect();
        let addresses: Vec<SocketAddr> = targets.iter().map(|it| it.address).collect();
        let mut gateway = Gateway::start_with(flags).await;
        gateway.apply(&resources(&addresses, service));
        Self { gateway, targets }
    }

    /// Requests that have reached each target.
    pub(crate) fn requests(&self) -> Vec<u64> {
        self.targets.iter().map(FaultProxy::requests).collect()
    }

    /// Requests that have reached any target.
    pub(crate) fn total(&self) -> u64 {
        self.requests().iter().sum()
    }

    /// A request of this method with a body, if it is not empty.
    pub(crate) async fn send(&self, method: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.gateway.raw(request.as_bytes()).await
    }

    /// The value of a metric whose line begins like this; zero where it is not there.
    pub(crate) async fn metric(&self, line: &str) -> u64 {
        let metrics = self.gateway.status("/metrics").await;
        let found = metrics.lines().find_map(|it| it.strip_prefix(line));
        found.map_or(0, |value| value.trim().parse().unwrap())
    }
}

/// A service `s` with these fields, its targets, which take turns, and a route that leads there.
pub(crate) fn resources(targets: &[SocketAddr], mut service: Value) -> Vec<(Kind, Value)> {
    service["name"] = json!("s");
    service["upstream"] = json!("u");
    let mut all = vec![
        (
            Kind::Upstream,
            json!({"name": "u", "balancer": "round_robin"}),
        ),
        (Kind::Service, service),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ];
    all.extend(targets.iter().enumerate().map(|(place, address)| {
        let target =
            json!({"name": format!("t{place}"), "upstream": "u", "address": address.to_string()});
        (Kind::Target, target)
    }));
    all
}

//! Log and metrics of a control plane: what they are called and how they are written.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gatewright_proto::Kind;
use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    api::registration::BEAT,
    catalog::State,
    discovery::{NodeView, Nodes, StreamCounters},
};

const BUCKETS: [f64; 11] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    path: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PathLabels {
    path: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

type Durations = Family<PathLabels, Histogram, fn() -> Histogram>;

/// All counters. Labels are bounded: templates of paths, methods, codes and kinds.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    durations: Durations,
    /// One of `requests`, at hand.
    beats: Counter,
    problems: Family<CodeLabels, Counter>,
    revision: Gauge,
    resources: Family<KindLabels, Gauge>,
    nodes: Gauge,
    nodes_behind: Gauge,
    rejected_resources: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Counters at zero.
    pub fn new() -> Self {
        let requests: Family<RequestLabels, Counter> = Family::default();
        let labels = RequestLabels {
            method: "POST".to_owned(),
            path: BEAT.to_owned(),
            status: 204,
        };
        let metrics = Self {
            registry: Mutex::default(),
            beats: requests.get_or_create_owned(&labels),
            requests,
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            problems: Family::default(),
            revision: Gauge::default(),
            resources: Family::default(),
            nodes: Gauge::default(),
            nodes_behind: Gauge::default(),
            rejected_resources: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("gatewright");
        let help = "Requests of the admin API, by method, template of the path and status";
        registry.register("admin_requests", help, self.requests.clone());
        let help = "Time to answer requests of the admin API";
        registry.register(
            "admin_request_duration_seconds",
            help,
            self.durations.clone(),
        );
        let help = "Answers of the admin API that are problems, by code";
        registry.register("admin_problems", help, self.problems.clone());
        let help = "The newest revision known here";
        registry.register("revision", help, self.revision.clone());
        let help = "Resources, by kind";
        registry.register("resources", help, self.resources.clone());
        let help = "Nodes connected here";
        registry.register("nodes", help, self.nodes.clone());
        let help = "Nodes connected here that have not applied the newest revision";
        registry.register("nodes_behind", help, self.nodes_behind.clone());
        let help = "Resources refused by nodes connected here";
        registry.register("rejected_resources", help, self.rejected_resources.clone());
    }

    /// Counts a request.
    pub(crate) fn count(&self, method: &str, path: &str, status: u16, duration: Duration) {
        let method = match method {
            "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE" | "OPTIONS" => method,
            _ => "other",
        };
        let labels = RequestLabels {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
        let path = PathLabels {
            path: path.to_owned(),
        };
        let seconds = duration.as_secs_f64();
        self.durations.get_or_create(&path).observe(seconds);
    }

    /// Counts a sign of life that went the short way. How long it took is not worth a look at the clock.
    pub(crate) fn count_beat(&self) {
        self.beats.inc();
    }

    /// Counts an answer that is a problem; an empty code is none.
    pub(crate) fn count_problem(&self, code: &'static str) {
        if !code.is_empty() {
            self.problems.get_or_create(&CodeLabels { code }).inc();
        }
    }

    /// Adds the counters of the streams to the nodes.
    pub(crate) fn follow(&self, nodes: Nodes) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("gatewright");
        registry.register_collector(Box::new(StreamCounters(nodes)));
    }

    /// Adds counters that are read when they are asked for.
    pub(crate) fn add(&self, counters: impl Collector) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("gatewright");
        registry.register_collector(Box::new(counters));
    }

    /// Takes over what is known when metrics are read.
    pub(crate) fn observe(&self, state: &State, nodes: &[NodeView]) {
        let revision = state.head.revision;
        self.revision.set(gauge(revision));
        let mut counts: BTreeMap<Kind, usize> = Kind::ALL.iter().map(|&kind| (kind, 0)).collect();
        for key in state.entries.keys() {
            *counts.entry(key.kind).or_default() += 1;
        }
        for (kind, count) in counts {
            let labels = KindLabels {
                kind: kind.as_str(),
            };
            let count = gauge(u64::try_from(count).unwrap_or(u64::MAX));
            self.resources.get_or_create(&labels).set(count);
        }
        let total = |count: usize| gauge(u64::try_from(count).unwrap_or(u64::MAX));
        let behind = nodes.iter().filter(|node| node.applied_revision < revision);
        self.nodes.set(total(nodes.len()));
        self.nodes_behind.set(total(behind.count()));
        let rejects = nodes.iter().map(|node| node.rejects.len()).sum();
        self.rejected_resources.set(total(rejects));
    }

    /// All of them, as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            tracing::error!("metrics cannot be written");
        }
        text
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

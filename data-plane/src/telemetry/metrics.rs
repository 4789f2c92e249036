//! Counters of a node, in the OpenMetrics format. Labels are bounded: names of resources, codes and
//! stages; never a path, an address or a consumer.

use std::sync::{Arc, Mutex, PoisonError, atomic::AtomicU64};

use gatewright_engine::{Action, Route};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

const BUCKETS: [f64; 12] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    service: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServiceLabels {
    service: String,
}

/// Where and why the gateway answered by itself.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RejectionLabels {
    /// The stage.
    pub stage: &'static str,
    /// The code.
    pub code: &'static str,
}

/// What a plugin refused.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Name of the instance.
    pub plugin: String,
    /// What it said.
    pub code: &'static str,
    /// `enforce` or `shadow`.
    pub mode: &'static str,
}

type Histograms = Family<ServiceLabels, Histogram, fn() -> Histogram>;

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    durations: Histograms,
    /// Answers of the gateway itself.
    pub rejections: Family<RejectionLabels, Counter>,
    /// Refusals of plugins, also those only recorded.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Exchanges in flight.
    pub in_flight: Gauge,
    /// Connections of clients.
    pub connections: Gauge,
    /// Connections that were closed because there were too many.
    pub connections_refused: Counter,
    /// Access lines that were dropped.
    pub access_lines_dropped: Counter,
    /// Bytes of answers' bodies.
    pub response_bytes: Counter<u64, AtomicU64>,
    /// The revision served.
    pub revision: Gauge,
    /// 1 while a control plane is followed.
    pub connected: Gauge,
    /// Exchanges that are over.
    pub answered: Counter,
}

/// The counters of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    by_class: [Counter; 5],
    duration: Histogram,
}

impl RouteMetrics {
    /// Counts an answer.
    pub(super) fn count(&self, status: u16, seconds: f64) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.by_class[class].inc();
        self.duration.observe(seconds);
    }
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let metrics = Self {
            registry: Mutex::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            rejections: Family::default(),
            refusals: Family::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            access_lines_dropped: Counter::default(),
            response_bytes: Counter::default(),
            revision: Gauge::default(),
            connected: Gauge::default(),
            answered: Counter::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    // One row a metric: a table, whatever its length.
    #[allow(clippy::too_many_lines)]
    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("gatewright");
        registry.register(
            "requests",
            "Requests that matched a route, by answer",
            self.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from the request's head to the end of the answer",
            self.durations.clone(),
        );
        registry.register(
            "rejections",
            "Answers of the gateway itself",
            self.rejections.clone(),
        );
        registry.register(
            "plugin_refusals",
            "Refusals of plugins",
            self.refusals.clone(),
        );
        registry.register(
            "requests_in_flight",
            "Exchanges in flight",
            self.in_flight.clone(),
        );
        registry.register(
            "connections",
            "Connections of clients",
            self.connections.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections closed because there were too many",
            self.connections_refused.clone(),
        );
        registry.register(
            "access_lines_dropped",
            "Access lines dropped because the writer was behind",
            self.access_lines_dropped.clone(),
        );
        registry.register(
            "response_bytes",
            "Bytes of answers' bodies",
            self.response_bytes.clone(),
        );
        registry.register(
            "control_plane_connected",
            "1 while a control plane is followed",
            self.connected.clone(),
        );
        registry.register(
            "exchanges",
            "Exchanges that are over",
            self.answered.clone(),
        );
        registry.register(
            "config_revision",
            "Revision of the configuration served",
            self.revision.clone(),
        );
    }

    /// The counters of a route; the same ones for the same names.
    pub(crate) fn route(&self, route: &Route) -> Arc<RouteMetrics> {
        let service = match &route.action {
            Action::Forward(service) => service.name.to_string(),
            _ => String::new(),
        };
        let counter = |status| {
            let labels = RequestLabels {
                route: route.name.to_string(),
                service: service.clone(),
                status,
            };
            self.requests.get_or_create_owned(&labels)
        };
        Arc::new(RouteMetrics {
            by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(counter),
            duration: self.durations.get_or_create_owned(&ServiceLabels {
                service: service.clone(),
            }),
        })
    }

    /// All of them, as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

//! Counters of a node, in the OpenMetrics format. Labels are bounded: names of resources, codes and
//! stages; never a path, an address or a consumer.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    balance::PublishedBalance,
    calls::{CallMetrics, CountedCalls},
    counters::{PublishedCounters, RouteMetrics},
    health::PublishedHealth,
    labels::{
        FallbackLabels, MirrorLabels, ProxyHeaderLabels, ReasonLabels, RefusalLabels,
        RejectionLabels,
    },
    names::PublishedNames,
    stranglers::PublishedStranglers,
};
use crate::{guard::GuardMetrics, published::Published};

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Requests that match no route.
    pub(crate) unmatched: Arc<RouteMetrics>,
    /// Answers of the gateway itself.
    pub rejections: Family<RejectionLabels, Counter>,
    /// Refusals of plugins, also those only recorded.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Credentials that were refused, and why, where plugins say so.
    pub reasons: Family<ReasonLabels, Counter>,
    /// Answers of fallbacks.
    pub fallbacks: Family<FallbackLabels, Counter>,
    /// Copies of requests for mirrors.
    pub mirrored: Family<MirrorLabels, Counter>,
    /// Those in flight.
    pub mirrors_in_flight: Gauge,
    /// How overloaded the node is: 0 not, 4 fully.
    pub overload_level: Gauge,
    /// Share of the memory that is used.
    pub memory_used: Gauge<f64, AtomicU64>,
    /// Share of the file descriptors that are used.
    pub descriptors_used: Gauge<f64, AtomicU64>,
    /// Exchanges in flight.
    pub in_flight: Gauge,
    /// Connections of clients.
    pub connections: Gauge,
    /// Connections that were closed because there were too many.
    pub connections_refused: Counter,
    /// Connections that were closed because of their PROXY header.
    pub proxy_headers_refused: Family<ProxyHeaderLabels, Counter>,
    /// Connections that a defect of the gateway ended.
    pub panics: Counter,
    /// Access lines that were dropped.
    pub access_lines_dropped: Counter,
    /// Bytes of requests' bodies.
    pub request_bytes: Counter<u64, AtomicU64>,
    /// Bytes of answers' bodies.
    pub response_bytes: Counter<u64, AtomicU64>,
    /// Spans that were dropped.
    pub spans_dropped: Counter,
    /// The revision served.
    pub revision: Gauge,
    /// When it was published, in seconds since 1970.
    published_at: Gauge,
    /// Resources that were refused.
    pub refused: Gauge,
    /// When this process started, in seconds since 1970.
    started_at: Gauge,
    /// 1 while a control plane is followed.
    pub connected: Gauge,
    /// Seconds since a control plane was last followed; 0 while one is.
    pub config_staleness: Gauge,
    /// Exchanges that are over.
    pub answered: Counter,
    /// What plugins ask others.
    pub(crate) calls: Arc<CallMetrics>,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let metrics = Self {
            registry: Mutex::default(),
            unmatched: Arc::new(RouteMetrics::new("".into(), "".into())),
            rejections: Family::default(),
            refusals: Family::default(),
            reasons: Family::default(),
            fallbacks: Family::default(),
            mirrored: Family::default(),
            mirrors_in_flight: Gauge::default(),
            overload_level: Gauge::default(),
            memory_used: Gauge::default(),
            descriptors_used: Gauge::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            proxy_headers_refused: Family::default(),
            panics: Counter::default(),
            access_lines_dropped: Counter::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            spans_dropped: Counter::default(),
            revision: Gauge::default(),
            published_at: Gauge::default(),
            refused: Gauge::default(),
            started_at: Gauge::default(),
            connected: Gauge::default(),
            config_staleness: Gauge::default(),
            answered: Counter::default(),
            calls: Arc::default(),
        };
        metrics.started_at.set(now());
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("gatewright");
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
            "panics",
            "Connections that a defect of the gateway ended",
            self.panics.clone(),
        );
        registry.register(
            "access_lines_dropped",
            "Access lines dropped because the writer was behind",
            self.access_lines_dropped.clone(),
        );
        self.register_totals(registry);
    }

    fn register_totals(&self, registry: &mut Registry) {
        registry.register(
            "request_bytes",
            "Bytes of requests' bodies",
            self.request_bytes.clone(),
        );
        registry.register(
            "response_bytes",
            "Bytes of answers' bodies",
            self.response_bytes.clone(),
        );
        registry.register(
            "spans_dropped",
            "Exchanges whose spans were dropped because the exporter was behind",
            self.spans_dropped.clone(),
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
        self.register_configuration(registry);
        self.register_protection(registry);
    }

    fn register_protection(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(CountedCalls(Arc::clone(&self.calls))));
        registry.register(
            "proxy_headers_refused",
            "Connections closed because of their PROXY header, by reason",
            self.proxy_headers_refused.clone(),
        );
        registry.register(
            "authentication_refusals",
            "Credentials that were refused, by reason",
            self.reasons.clone(),
        );
        registry.register("fallbacks", "Answers of fallbacks", self.fallbacks.clone());
        registry.register(
            "mirrored_requests",
            "Copies of requests for mirrors, and what became of them",
            self.mirrored.clone(),
        );
        registry.register(
            "mirrors_in_flight",
            "Copies of requests in flight",
            self.mirrors_in_flight.clone(),
        );
        registry.register(
            "overload_level",
            "How overloaded the node is: 0 not, 1 closes connections, 2 to 4 refuses sheddable, normal, all requests",
            self.overload_level.clone(),
        );
        registry.register(
            "memory_used_ratio",
            "Share of the memory that is used",
            self.memory_used.clone(),
        );
        registry.register(
            "descriptors_used_ratio",
            "Share of the file descriptors that are used",
            self.descriptors_used.clone(),
        );
    }

    fn register_configuration(&self, registry: &mut Registry) {
        registry.register(
            "config_revision",
            "Revision of the configuration served",
            self.revision.clone(),
        );
        registry.register(
            "config_published_timestamp_seconds",
            "When that was published",
            self.published_at.clone(),
        );
        registry.register(
            "config_staleness_seconds",
            "Seconds since a control plane was last followed",
            self.config_staleness.clone(),
        );
        registry.register(
            "config_refused_resources",
            "Resources that this node refused",
            self.refused.clone(),
        );
        registry.register(
            "start_timestamp_seconds",
            "When this process started",
            self.started_at.clone(),
        );
    }

    /// Notes that this revision is served.
    pub(crate) fn published(&self, revision: u64) {
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        self.revision.set(revision);
        self.published_at.set(now());
    }

    /// Adds the counters of routes and services.
    pub(crate) fn read(&self, published: Arc<ArcSwap<Published>>) {
        let guard = GuardMetrics(Arc::clone(&published));
        let health = PublishedHealth(Arc::clone(&published));
        let stranglers = PublishedStranglers(Arc::clone(&published));
        let names = PublishedNames(Arc::clone(&published));
        let balance = PublishedBalance(Arc::clone(&published));
        let counters = PublishedCounters {
            published,
            unmatched: Arc::clone(&self.unmatched),
        };
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("gatewright");
        registry.register_collector(Box::new(balance));
        registry.register_collector(Box::new(counters));
        registry.register_collector(Box::new(guard));
        registry.register_collector(Box::new(health));
        registry.register_collector(Box::new(stranglers));
        registry.register_collector(Box::new(names));
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

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

//! Counters of routes and services. They belong to the name and outlive revisions; what is gone from the
//! configuration is gone from the metrics. One that has seen no request takes no memory.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use gatewright_proto::v1::ServiceState;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};

use super::{
    histogram::Histogram,
    latency::Latency,
    recent::Recent,
    retries::{self, RetryCounters},
};
use crate::{
    connect::{self, ConnectionCounters},
    published::Published,
};

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    /// The route's name; empty for requests that match none.
    pub(crate) route: Arc<str>,
    /// Its service's; empty without one.
    pub(crate) service: Arc<str>,
    /// Those of its backends, where it has several.
    backends: Box<[Arc<Self>]>,
    by_class: OnceLock<Box<[AtomicU64; 5]>>,
}

impl RouteMetrics {
    pub(crate) fn new(route: Arc<str>, service: Arc<str>) -> Self {
        Self {
            route,
            service,
            backends: Box::default(),
            by_class: OnceLock::new(),
        }
    }

    /// Whether its backends are these.
    pub(crate) fn has_backends<'a>(&self, services: impl Iterator<Item = &'a Arc<str>>) -> bool {
        services.eq(self.backends.iter().map(|it| &it.service))
    }

    /// With these backends, whose counters are kept if there are any.
    pub(crate) fn with_backends<'a>(
        self,
        services: impl Iterator<Item = &'a Arc<str>>,
        before: Option<&Arc<Self>>,
    ) -> Self {
        let known = |service: &Arc<str>| {
            let mut known = before?.backends.iter();
            known.find(|it| it.service == *service).cloned()
        };
        let new = |service: &Arc<str>| Self::new(Arc::clone(&self.route), Arc::clone(service));
        let backends = services.map(|it| known(it).unwrap_or_else(|| Arc::new(new(it))));
        Self {
            backends: backends.collect(),
            ..self
        }
    }

    /// Those of one of its backends.
    pub(crate) fn backend(&self, place: usize) -> Option<&Arc<Self>> {
        self.backends.get(place)
    }

    /// Counts an answer.
    pub(super) fn count(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.by_class.get_or_init(Box::default)[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// The counters of one service.
#[derive(Debug)]
pub struct ServiceMetrics {
    /// The service's name.
    pub(crate) service: Arc<str>,
    durations: OnceLock<Box<Durations>>,
    /// Exchanges that failed and that another service stood in for, which counts them as its own as well.
    stood_in: AtomicU64,
    /// Where a rollout compares the service.
    latency: OnceLock<Box<Latency>>,
    /// Of attempts after the first.
    pub(crate) retries: RetryCounters,
    /// Of connections to its targets.
    pub(crate) connections: ConnectionCounters,
}

#[derive(Debug, Default)]
struct Durations {
    request: Histogram,
    upstream: Histogram,
    /// Exchanges that failed: 5xx, no whole answer, or a fallback gave it.
    errors: AtomicU64,
    /// For reports: what the request's durations were a while ago.
    recent: Mutex<Recent>,
}

impl ServiceMetrics {
    pub(crate) fn new(service: Arc<str>) -> Self {
        Self {
            service,
            durations: OnceLock::new(),
            stood_in: AtomicU64::new(0),
            latency: OnceLock::new(),
            retries: RetryCounters::default(),
            connections: ConnectionCounters::default(),
        }
    }

    /// Tells how many exchanges there were, how many failed, and how long they took of late.
    pub(crate) fn report(&self, row: &mut ServiceState, now: Instant) {
        row.requests = self.stood_in.load(Ordering::Relaxed);
        row.errors = row.requests;
        let Some(durations) = self.durations.get() else {
            return;
        };
        let counts = durations.request.counts();
        row.requests += counts.iter().sum::<u64>();
        row.errors += durations.errors.load(Ordering::Relaxed);
        let recent = durations.recent.lock();
        let mut recent = recent.unwrap_or_else(PoisonError::into_inner);
        [row.p50_ms, row.p99_ms] = recent.latency_ms(now, counts);
    }

    /// Counts an exchange that failed, and that another service stands in for.
    pub(crate) fn stand_in(&self) {
        self.stood_in.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts latencies for a rollout from now on.
    pub(crate) fn compare(&self) {
        self.latency.get_or_init(Box::default);
    }

    /// Exchanges by how long they took, where a rollout asks.
    pub(crate) fn latency(&self) -> BTreeMap<u32, u64> {
        let latency = self.latency.get();
        latency.map_or_else(BTreeMap::new, |it| it.counts())
    }

    /// Counts an exchange: whether it failed, how long it took, and how long the target took to the head of its answer.
    pub(super) fn observe(&self, failed: bool, request: Duration, upstream: Option<Duration>) {
        if let Some(latency) = self.latency.get() {
            latency.observe(request);
        }
        let durations = self.durations.get_or_init(Box::default);
        durations.request.observe(request);
        if failed {
            durations.errors.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(upstream) = upstream {
            durations.upstream.observe(upstream);
        }
    }
}

/// Reads the counters of what is published.
pub(crate) struct PublishedCounters {
    pub(crate) published: Arc<ArcSwap<Published>>,
    /// Of requests that match no route.
    pub(crate) unmatched: Arc<RouteMetrics>,
}

impl fmt::Debug for PublishedCounters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PublishedCounters")
    }
}

impl Collector for PublishedCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let published = self.published.load();
        let help = "Requests, by route and class of answer";
        let mut requests =
            encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for route in published.routes.iter().chain([&self.unmatched]) {
            encode_route(route, &mut requests)?;
        }
        retries::encode(&published, &mut encoder)?;
        connect::encode(&published, &mut encoder)?;
        type Pick = fn(&Durations) -> &Histogram;
        let histograms: [(&str, &str, Pick); 2] = [
            (
                "request_duration",
                "Time from a request's head to the end of the answer",
                |it| &it.request,
            ),
            (
                "upstream_duration",
                "Time from forwarding to the head of the target's answer",
                |it| &it.upstream,
            ),
        ];
        for (name, help, pick) in histograms {
            let unit = Some(&Unit::Seconds);
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
            for service in &published.services {
                let metrics = &service.metrics;
                if let Some(durations) = metrics.durations.get() {
                    let labels = [("service", &*metrics.service)];
                    pick(durations).encode(&mut family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

fn encode_route(route: &RouteMetrics, requests: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
    for backend in &route.backends {
        encode_route(backend, requests)?;
    }
    let Some(by_class) = route.by_class.get() else {
        return Ok(());
    };
    for (count, class) in by_class.iter().zip(CLASSES) {
        let count = count.load(Ordering::Relaxed);
        if count == 0 {
            continue;
        }
        let labels = [
            ("route", &*route.route),
            ("service", &*route.service),
            ("status", class),
        ];
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        requests
            .encode_family(&labels)?
            .encode_counter(&count, none)?;
    }
    Ok(())
}

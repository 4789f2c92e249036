//! Counters of upstreams' health.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gatewright_engine::health::{check::Seen, outlier::Detector};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};

use super::histogram::Histogram;
use crate::{health::Condition, published::Published, upstream::LiveUpstream};

/// What a check has seen, in the order of its number.
const RESULTS: [&str; 3] = ["pass", "failure", "unfit"];

/// The counters of one upstream.
#[derive(Debug, Default)]
pub(crate) struct HealthMetrics {
    ejections: [AtomicU64; Detector::ALL.len()],
    spared: AtomicU64,
    checks: [AtomicU64; RESULTS.len()],
    durations: Histogram,
}

impl HealthMetrics {
    /// A target was ejected.
    pub(crate) fn ejected(&self, by: Detector) {
        self.ejections[by as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A target was to be ejected, but could not be spared.
    pub(crate) fn spared(&self) {
        self.spared.fetch_add(1, Ordering::Relaxed);
    }

    /// A target was asked.
    pub(crate) fn checked(&self, seen: Seen, took: Duration) {
        self.checks[seen as usize].fetch_add(1, Ordering::Relaxed);
        self.durations.observe(took);
    }
}

/// Reads the health of what is published.
pub(crate) struct PublishedHealth(pub(crate) Arc<ArcSwap<Published>>);

impl fmt::Debug for PublishedHealth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PublishedHealth")
    }
}

impl Collector for PublishedHealth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let published = self.0.load();
        let mut known = HashSet::new();
        let upstreams: Vec<_> = published
            .services
            .iter()
            .map(|service| &service.upstream)
            .filter(|it| known.insert(Arc::as_ptr(it)) && it.health().is_watched())
            .collect();
        type Row = fn(&LiveUpstream, &mut MetricEncoder<'_>) -> Result<(), fmt::Error>;
        let families: [(&str, &str, MetricType, Row); 4] = [
            (
                "upstream_targets",
                "Addresses of an upstream, by their health",
                MetricType::Gauge,
                targets,
            ),
            (
                "ejections",
                "Targets that were ejected, by what found them",
                MetricType::Counter,
                ejections,
            ),
            (
                "ejections_spared",
                "Targets that were to be ejected but could not be spared",
                MetricType::Counter,
                spared,
            ),
            (
                "health_checks",
                "Health checks, by what they have seen",
                MetricType::Counter,
                checks,
            ),
        ];
        for (name, help, kind, row) in families {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for upstream in &upstreams {
                row(upstream, &mut family)?;
            }
        }
        let help = "Time that health checks took";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut family = encoder.encode_descriptor("health_check_duration", help, unit, kind)?;
        for upstream in &upstreams {
            let durations = &upstream.health().metrics.durations;
            if durations.count() > 0 {
                let labels = [("upstream", &**upstream.name())];
                durations.encode(&mut family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn targets(upstream: &LiveUpstream, family: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
    for (count, condition) in upstream.health().census().iter().zip(Condition::ALL) {
        let labels = [
            ("upstream", &**upstream.name()),
            ("health", condition.as_str()),
        ];
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        family.encode_family(&labels)?.encode_gauge(&count)?;
    }
    Ok(())
}

fn ejections(upstream: &LiveUpstream, family: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
    let counts = &upstream.health().metrics.ejections;
    for (count, detector) in counts.iter().zip(Detector::ALL) {
        let labels = [
            ("upstream", &**upstream.name()),
            ("detector", detector.as_str()),
        ];
        counter(count, &labels, family)?;
    }
    Ok(())
}

fn spared(upstream: &LiveUpstream, family: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
    let labels = [("upstream", &**upstream.name())];
    counter(&upstream.health().metrics.spared, &labels, family)
}

fn checks(upstream: &LiveUpstream, family: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
    let counts = &upstream.health().metrics.checks;
    for (count, result) in counts.iter().zip(RESULTS) {
        let labels = [("upstream", &**upstream.name()), ("result", result)];
        counter(count, &labels, family)?;
    }
    Ok(())
}

/// Leaves out what has never happened.
fn counter<const N: usize>(
    count: &AtomicU64,
    labels: &[(&str, &str); N],
    family: &mut MetricEncoder<'_>,
) -> Result<(), fmt::Error> {
    let count = count.load(Ordering::Relaxed);
    if count == 0 {
        return Ok(());
    }
    let none: Option<&Exemplar<NoLabelSet, f64>> = None;
    family.encode_family(labels)?.encode_counter(&count, none)
}

//! How requests are balanced over the targets of what is published. What is gone from the configuration is gone
//! from here; a target that has never been picked takes no line.

use std::{collections::HashSet, fmt, sync::Arc};

use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};

use crate::{
    published::Published,
    upstream::{Figures, LiveUpstream},
};

/// Reads the figures of upstreams.
pub(super) struct PublishedBalance(pub(super) Arc<ArcSwap<Published>>);

impl fmt::Debug for PublishedBalance {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PublishedBalance")
    }
}

/// The figures of an upstream, by its name.
struct Row {
    upstream: Arc<str>,
    panics: bool,
    targets: Vec<Figures>,
}

impl Collector for PublishedBalance {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = rows(&self.0.load());
        let (help, kind) = ("Requests in flight to a target", MetricType::Gauge);
        let mut family = encoder.encode_descriptor("target_in_flight", help, None, kind)?;
        for (upstream, target) in targets(&rows) {
            let labels = [("upstream", upstream), ("target", &*target.target)];
            family
                .encode_family(&labels)?
                .encode_gauge(&i64::from(target.in_flight))?;
        }
        let (help, kind) = ("How often a target was picked", MetricType::Counter);
        let mut family = encoder.encode_descriptor("target_picks", help, None, kind)?;
        for (upstream, target) in targets(&rows) {
            let labels = [("upstream", upstream), ("target", &*target.target)];
            let none: Option<&Exemplar<NoLabelSet, f64>> = None;
            family
                .encode_family(&labels)?
                .encode_counter(&target.picks, none)?;
        }
        let help = "Estimate by which `peak_ewma` picks a target";
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Gauge);
        let mut family = encoder.encode_descriptor("target_latency_estimate", help, unit, kind)?;
        for (upstream, target) in targets(&rows) {
            if let Some(estimate) = target.estimate {
                let labels = [("upstream", upstream), ("target", &*target.target)];
                family.encode_family(&labels)?.encode_gauge(&estimate)?;
            }
        }
        let help = "1 while too few addresses of an upstream are usable, and all get requests";
        let kind = MetricType::Gauge;
        let mut family = encoder.encode_descriptor("upstream_panic", help, None, kind)?;
        for row in &rows {
            let labels = [("upstream", &*row.upstream)];
            family
                .encode_family(&labels)?
                .encode_gauge(&i64::from(row.panics))?;
        }
        Ok(())
    }
}

fn rows(published: &Published) -> Vec<Row> {
    let mut known = HashSet::new();
    let upstreams = published.services.iter().map(|service| &*service.upstream);
    upstreams
        .filter(|upstream| known.insert(Arc::clone(upstream.name())))
        .map(row)
        .collect()
}

fn row(upstream: &LiveUpstream) -> Row {
    let mut targets = upstream.figures();
    targets.retain(|target| target.picks > 0);
    Row {
        upstream: Arc::clone(upstream.name()),
        panics: upstream.panics(),
        targets,
    }
}

fn targets(rows: &[Row]) -> impl Iterator<Item = (&str, &Figures)> {
    rows.iter()
        .flat_map(|row| row.targets.iter().map(|target| (&*row.upstream, target)))
}

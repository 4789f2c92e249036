//! Counters of lookups of targets' names.

use std::{collections::HashSet, fmt, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use crate::{
    published::Published,
    upstream::{LiveUpstream, RESULTS},
};

/// Reads how the names of what is published fare.
pub(crate) struct PublishedNames(pub(crate) Arc<ArcSwap<Published>>);

impl fmt::Debug for PublishedNames {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PublishedNames")
    }
}

impl Collector for PublishedNames {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (published, now) = (self.0.load(), Instant::now());
        let mut known = HashSet::new();
        let upstreams: Vec<&LiveUpstream> = published
            .services
            .iter()
            .map(|service| &*service.upstream)
            .filter(|it| known.insert(std::ptr::from_ref(*it)))
            .filter(|it| it.names().standing(now).names > 0)
            .collect();
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        let help = "Lookups of names of targets, by what came of them";
        let mut family =
            encoder.encode_descriptor("dns_lookups", help, None, MetricType::Counter)?;
        for upstream in &upstreams {
            for (count, result) in upstream.names().counts().iter().zip(RESULTS) {
                let labels = [("upstream", &**upstream.name()), ("result", result)];
                family.encode_family(&labels)?.encode_counter(count, none)?;
            }
        }
        let help = "Names of targets whose last lookup failed";
        let name = "dns_failing_names";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for upstream in &upstreams {
            let failing = upstream.names().standing(now).failing;
            let failing = i64::try_from(failing).unwrap_or(i64::MAX);
            let labels = [("upstream", &**upstream.name())];
            family.encode_family(&labels)?.encode_gauge(&failing)?;
        }
        let help = "For how long the oldest answer in use is beyond its time";
        let name = "dns_stale_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for upstream in &upstreams {
            let stale = upstream.names().standing(now).stale.as_secs_f64();
            let labels = [("upstream", &**upstream.name())];
            family.encode_family(&labels)?.encode_gauge(&stale)?;
        }
        Ok(())
    }
}

//! Counters of the connections of one service to its targets. One that has none takes no memory.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use super::Reason;
use crate::published::Published;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounters(OnceLock<Box<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    failed: [AtomicU64; Reason::ALL.len()],
}

impl ConnectionCounters {
    pub(super) fn opened(&self) {
        let counts = self.0.get_or_init(Box::default);
        counts.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, reason: Reason) {
        let counts = self.0.get_or_init(Box::default);
        if let Some(count) = counts.failed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes those of all services.
pub(crate) fn encode(
    published: &Published,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let counted = || {
        let services = published.services.iter();
        services.filter_map(|it| Some((&*it.metrics.service, it.metrics.connections.0.get()?)))
    };
    let none: Option<&Exemplar<NoLabelSet, f64>> = None;
    let (name, help) = (
        "upstream_connections_opened",
        "Connections to targets that were opened",
    );
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (service, counts) in counted() {
        let count = counts.opened.load(Ordering::Relaxed);
        family
            .encode_family(&[("service", service)])?
            .encode_counter(&count, none)?;
    }
    let (name, help) = (
        "upstream_connections_failed",
        "Connections to targets that could not be opened, by reason",
    );
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (service, counts) in counted() {
        for (count, reason) in counts.failed.iter().zip(Reason::ALL) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let labels = [("service", service), ("reason", reason.as_str())];
                family
                    .encode_family(&labels)?
                    .encode_counter(&count, none)?;
            }
        }
    }
    Ok(())
}

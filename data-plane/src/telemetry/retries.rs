//! Counters of retries and hedges of one service. One that has none takes no memory.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use gatewright_engine::retry::Reason;
use prometheus_client::{
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use crate::published::Published;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct RetryCounters(OnceLock<Box<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    by_reason: [AtomicU64; Reason::ALL.len()],
    overflows: AtomicU64,
    won: AtomicU64,
    lost: AtomicU64,
}

impl RetryCounters {
    fn counts(&self) -> &Counts {
        self.0.get_or_init(Box::default)
    }

    /// Counts an attempt after the first.
    pub(crate) fn retried(&self, reason: Reason) {
        let by_reason = &self.counts().by_reason;
        if let Some(count) = by_reason.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a retry or hedge for which the budget had no room.
    pub(crate) fn overflowed(&self) {
        self.counts().overflows.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a hedge: whether its answer was the one.
    pub(crate) fn hedged(&self, won: bool) {
        let counts = self.counts();
        let count = if won { &counts.won } else { &counts.lost };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes those of all services.
pub(super) fn encode(
    published: &Published,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let counted = || {
        let services = published.services.iter();
        services.filter_map(|it| Some((&*it.metrics.service, it.metrics.retries.0.get()?)))
    };
    let help = "Attempts after the first, by what came before";
    let mut family = encoder.encode_descriptor("retries", help, None, MetricType::Counter)?;
    for (service, counts) in counted() {
        for (count, reason) in counts.by_reason.iter().zip(Reason::ALL) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let labels = [("service", service), ("reason", reason.as_str())];
                let none: Option<&Exemplar<NoLabelSet, f64>> = None;
                family
                    .encode_family(&labels)?
                    .encode_counter(&count, none)?;
            }
        }
    }
    let help = "Retries and hedges that the budget had no room for";
    let name = "retry_budget_overflows";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (service, counts) in counted() {
        let labels = [("service", service)];
        let count = counts.overflows.load(Ordering::Relaxed);
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        family
            .encode_family(&labels)?
            .encode_counter(&count, none)?;
    }
    let help = "Attempts that began beside another, by whether their answer was the one";
    let mut family = encoder.encode_descriptor("hedges", help, None, MetricType::Counter)?;
    for (service, counts) in counted() {
        for (count, result) in [(&counts.won, "won"), (&counts.lost, "lost")] {
            let labels = [("service", service), ("result", result)];
            let count = count.load(Ordering::Relaxed);
            let none: Option<&Exemplar<NoLabelSet, f64>> = None;
            family
                .encode_family(&labels)?
                .encode_counter(&count, none)?;
        }
    }
    Ok(())
}

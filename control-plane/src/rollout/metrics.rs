//! How rollouts go, for `/metrics`.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use super::{Rollouts, phase::Phase};
use crate::store::ListedRollout;

/// The phases that end what was under way or hold it up, and are counted.
const COUNTED: [Phase; 6] = [
    Phase::Running,
    Phase::Held,
    Phase::Promoted,
    Phase::RolledBack,
    Phase::Aborted,
    Phase::Superseded,
];

/// Counters since the start of this control plane, and what it saw last.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    analyses: AtomicU64,
    failures: AtomicU64,
    entered: [AtomicU64; COUNTED.len()],
    seen: Mutex<Vec<ListedRollout>>,
}

impl Metrics {
    pub(super) fn analysed(&self, count: u64) {
        self.analyses.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn entered(&self, phase: Phase) {
        if let Some(place) = COUNTED.iter().position(|it| *it == phase) {
            self.entered[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn saw(&self, rollouts: Vec<ListedRollout>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = rollouts;
    }
}

/// Reads them for `/metrics`.
#[derive(Debug)]
pub struct RolloutCounters(pub(super) Rollouts);

impl Collector for RolloutCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let metrics = &self.0.shared.metrics;
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        for (name, help, counter) in [
            (
                "rollout_analyses",
                "Looks of this control plane at what nodes tell of a rollout",
                &metrics.analyses,
            ),
            (
                "rollout_failures",
                "Looks of this control plane at a rollout that failed and were repeated",
                &metrics.failures,
            ),
        ] {
            let value = counter.load(Ordering::Relaxed);
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter(&value, none)?;
        }
        let help = "Rollouts that this control plane moved to another phase, by that phase";
        let mut family =
            encoder.encode_descriptor("rollout_moves", help, None, MetricType::Counter)?;
        for (phase, counter) in COUNTED.iter().zip(&metrics.entered) {
            let value = counter.load(Ordering::Relaxed);
            let labels = [("phase", phase.as_str())];
            family
                .encode_family(&labels)?
                .encode_counter(&value, none)?;
        }
        let seen = metrics.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let help =
            "Share of the requests that the canary of a rollout has, in percent, with its phase";
        let mut family =
            encoder.encode_descriptor("rollout_percent", help, None, MetricType::Gauge)?;
        for rollout in &*seen {
            let labels = [("rollout", &*rollout.name), ("phase", &*rollout.phase)];
            family
                .encode_family(&labels)?
                .encode_gauge(&rollout.percent)?;
        }
        Ok(())
    }
}

//! How registrations come and go, for `/metrics`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use super::{Change, Registrations, registrations};

/// Counters since the start of this control plane.
#[derive(Debug, Default)]
pub struct Metrics {
    joined: AtomicU64,
    changed: AtomicU64,
    left: AtomicU64,
    expired: AtomicU64,
    heartbeats: AtomicU64,
    unknown: AtomicU64,
    saved: AtomicU64,
    failures: AtomicU64,
    /// By reason.
    refused: [AtomicU64; REASONS.len()],
}

/// Why there was no room for a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    UpstreamTargets,
    UpstreamLabelBytes,
    TokenTargets,
    TokenLabelBytes,
    Queue,
}

/// What reasons are called, in their order.
const REASONS: [&str; 5] = [
    "upstream_targets",
    "upstream_label_bytes",
    "token_targets",
    "token_label_bytes",
    "queue",
];

impl Metrics {
    /// Counts a change that was carried out, and whether it created the target; none where nothing changed.
    pub(super) fn changed(&self, change: &Change, created: Option<bool>) {
        let counter = match (created, &change.target) {
            (None, _) => return,
            (Some(true), Some(_)) => &self.joined,
            (Some(false), Some(_)) => &self.changed,
            (_, None) if change.expired => &self.expired,
            (_, None) => &self.left,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn beat(&self, noted: u64, unknown: usize) {
        self.heartbeats.fetch_add(noted, Ordering::Relaxed);
        let unknown = u64::try_from(unknown).unwrap_or(u64::MAX);
        self.unknown.fetch_add(unknown, Ordering::Relaxed);
    }

    pub(super) fn saved(&self, signs: usize) {
        let signs = u64::try_from(signs).unwrap_or(u64::MAX);
        self.saved.fetch_add(signs, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, reason: Reason) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn rows(&self) -> [(&'static str, &'static str, &AtomicU64); 8] {
        [
            (
                "registrations_joined",
                "Targets that registered themselves",
                &self.joined,
            ),
            (
                "registrations_changed",
                "Registered targets that changed what they are",
                &self.changed,
            ),
            (
                "registrations_left",
                "Registered targets that left",
                &self.left,
            ),
            (
                "registrations_expired",
                "Registered targets that were taken away since they gave no sign of life",
                &self.expired,
            ),
            (
                "heartbeats",
                "Signs of life of registered targets",
                &self.heartbeats,
            ),
            (
                "heartbeats_unknown",
                "Signs of life of targets that are not registered",
                &self.unknown,
            ),
            (
                "heartbeats_saved",
                "Signs of life written to the database",
                &self.saved,
            ),
            (
                "heartbeat_save_failures",
                "Seconds in which the database took no signs of life",
                &self.failures,
            ),
        ]
    }
}

/// Reads the counters for `/metrics`.
#[derive(Debug)]
pub struct RegistrationCounters(pub(super) Registrations);

impl Collector for RegistrationCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let shared = &*self.0.shared;
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        for (name, help, counter) in shared.metrics.rows() {
            let value = counter.load(Ordering::Relaxed);
            encoder
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter(&value, none)?;
        }
        let help = "Registrations refused since there was no room for them, by what was full";
        let mut family =
            encoder.encode_descriptor("registrations_refused", help, None, MetricType::Counter)?;
        for (reason, counter) in REASONS.iter().zip(&shared.metrics.refused) {
            let labels = [("reason", *reason)];
            let value = counter.load(Ordering::Relaxed);
            family
                .encode_family(&labels)?
                .encode_counter(&value, none)?;
        }
        let state = shared.catalog.present();
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for (_, target) in registrations(&state) {
            *counts.entry(&target.upstream).or_default() += 1;
        }
        let help = "Targets that registered themselves and are there, by upstream";
        let mut family =
            encoder.encode_descriptor("registrations", help, None, MetricType::Gauge)?;
        for (upstream, count) in counts {
            let labels = [("upstream", upstream)];
            family.encode_family(&labels)?.encode_gauge(&count)?;
        }
        Ok(())
    }
}

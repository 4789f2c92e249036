//! How the fetching of keys goes, for `/metrics`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use super::{KeySets, remote};

/// Counters since the start of this control plane.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    sets: Mutex<BTreeMap<String, OfSet>>,
    failed_rounds: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfSet {
    fetches: u64,
    failures: u64,
    succeeded: Option<Instant>,
}

impl Metrics {
    pub(super) fn succeeded(&self, name: &str) {
        self.change(name, |it| {
            it.fetches += 1;
            it.succeeded = Some(Instant::now());
        });
    }

    pub(super) fn failed(&self, name: &str) {
        self.change(name, |it| {
            it.fetches += 1;
            it.failures += 1;
        });
    }

    pub(super) fn failed_round(&self) {
        self.failed_rounds.fetch_add(1, Ordering::Relaxed);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut OfSet)) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        change(sets.entry(name.to_owned()).or_default());
    }
}

/// A counter: its name, what it counts, and how it is read.
type Row = (&'static str, &'static str, fn(&OfSet) -> u64);

/// Reads the counters for `/metrics`.
#[derive(Debug)]
pub struct KeySetCounters(pub(super) KeySets);

impl Collector for KeySetCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let shared = &*self.0.shared;
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        let state = shared.catalog.present();
        let all = remote(&state);
        let sets = {
            let mut sets = shared
                .metrics
                .sets
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            sets.retain(|name, _| all.iter().any(|set| set.name == *name));
            sets.clone()
        };
        let counters: [Row; 2] = [
            (
                "key_set_fetches",
                "Fetches of a key set by this control plane",
                |it| it.fetches,
            ),
            (
                "key_set_fetch_failures",
                "Of these, those that failed",
                |it| it.failures,
            ),
        ];
        for (name, help, value) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (set, counts) in &sets {
                let labels = [("key_set", set.as_str())];
                family
                    .encode_family(&labels)?
                    .encode_counter(&value(counts), none)?;
            }
        }
        let help = "Seconds since this control plane last fetched a key set";
        let mut family =
            encoder.encode_descriptor("key_set_age_seconds", help, None, MetricType::Gauge)?;
        for (set, counts) in &sets {
            if let Some(succeeded) = counts.succeeded {
                let labels = [("key_set", set.as_str())];
                let age = succeeded.elapsed().as_secs_f64();
                family.encode_family(&labels)?.encode_gauge(&age)?;
            }
        }
        let help = "Seconds in which the database did not say which key sets are due";
        let failed = shared.metrics.failed_rounds.load(Ordering::Relaxed);
        encoder
            .encode_descriptor("key_set_lookup_failures", help, None, MetricType::Counter)?
            .encode_counter(&failed, none)
    }
}

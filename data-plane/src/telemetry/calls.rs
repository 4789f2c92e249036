//! Counters of what plugins ask others over the network.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright_engine::plugin::CallError;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
    registry::Unit,
};

use super::histogram::Histogram;

/// What comes of a question.
const OUTCOMES: [&str; 4] = ["answered", "busy", "timeout", "failed"];
/// Most instances that are counted apart.
const MAX_PLUGINS: usize = 4096;
/// Stands for all others.
const OTHERS: &str = "(others)";

/// Questions by the instance that asked.
#[derive(Debug, Default)]
pub(crate) struct CallMetrics(RwLock<BTreeMap<Arc<str>, Arc<Calls>>>);

#[derive(Debug, Default)]
struct Calls {
    outcomes: [AtomicU64; OUTCOMES.len()],
    took: Histogram,
}

impl CallMetrics {
    /// Counts a question, with what went wrong and how long it took.
    pub(crate) fn count(&self, plugin: &Arc<str>, error: Option<&CallError>, took: Duration) {
        let calls = self.of(plugin);
        let outcome = match error {
            None => 0,
            Some(CallError::Busy) => 1,
            Some(CallError::Timeout) => 2,
            Some(CallError::Failed) => 3,
        };
        if let Some(count) = calls.outcomes.get(outcome) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        calls.took.observe(took);
    }

    fn of(&self, plugin: &Arc<str>) -> Arc<Calls> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = known.get(plugin) {
            return Arc::clone(calls);
        }
        drop(known);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = match all.len() < MAX_PLUGINS {
            true => Arc::clone(plugin),
            false => OTHERS.into(),
        };
        Arc::clone(all.entry(name).or_default())
    }
}

/// Reads them.
#[derive(Debug)]
pub(super) struct CountedCalls(pub(super) Arc<CallMetrics>);

impl Collector for CountedCalls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let all = self.0.0.read().unwrap_or_else(PoisonError::into_inner);
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        let help = "Questions of plugins to others over the network, by what came of them";
        let mut family =
            encoder.encode_descriptor("plugin_calls", help, None, MetricType::Counter)?;
        for (plugin, calls) in &*all {
            for (count, outcome) in calls.outcomes.iter().zip(OUTCOMES) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("plugin", &**plugin), ("outcome", outcome)];
                    family
                        .encode_family(&labels)?
                        .encode_counter(&count, none)?;
                }
            }
        }
        let help = "Time from such a question to its answer, or until there is none";
        let (name, unit) = ("plugin_call_duration", Some(&Unit::Seconds));
        let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (plugin, calls) in &*all {
            let labels = [("plugin", &**plugin)];
            calls.took.encode(&mut family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

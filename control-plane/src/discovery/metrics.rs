//! What the stream costs and how it goes, for `/metrics`.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, exemplar::Exemplar},
};

use super::Nodes;

/// Upper bounds of the buckets of [`Metrics::answer_buckets`], in milliseconds.
pub const ANSWER_BOUNDS_MS: [u64; 8] = [5, 10, 25, 50, 100, 250, 1000, 5000];

/// Counters since the start of this control plane.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Streams accepted.
    pub sessions: AtomicU64,
    /// Streams refused because there were too many at once.
    pub refused: AtomicU64,
    /// Nodes that could go on from what they held.
    pub resumes: AtomicU64,
    /// Nodes that had to list what they held.
    pub lists: AtomicU64,
    /// Deltas sent, snapshots included.
    pub deltas: AtomicU64,
    /// Of these, snapshots.
    pub snapshots: AtomicU64,
    /// Bytes of resources sent.
    pub bytes: AtomicU64,
    /// Resources refused by nodes, each version once a node.
    pub rejects: AtomicU64,
    /// Time from the last part of a delta to its acknowledgement, in microseconds, in total.
    pub answer_us: AtomicU64,
    /// The same, counted by [`ANSWER_BOUNDS_MS`]; not cumulative, the last one is all that is longer.
    pub answer_buckets: [AtomicU64; ANSWER_BOUNDS_MS.len() + 1],
}

impl Metrics {
    /// Name, help and value of every counter but those of answers.
    pub fn rows(&self) -> [(&'static str, &'static str, u64); 8] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("sessions", "Streams accepted", read(&self.sessions)),
            ("sessions_refused", "Streams refused", read(&self.refused)),
            ("resumes", "Nodes that resumed", read(&self.resumes)),
            ("lists", "Nodes asked what they hold", read(&self.lists)),
            (
                "deltas",
                "Deltas sent, snapshots included",
                read(&self.deltas),
            ),
            (
                "snapshots",
                "Deltas that replaced everything a node held",
                read(&self.snapshots),
            ),
            ("bytes", "Bytes of resources sent", read(&self.bytes)),
            ("rejects", "Resources refused by nodes", read(&self.rejects)),
        ]
    }

    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let bucket = ANSWER_BOUNDS_MS.partition_point(|bound| bound * 1000 < us);
        Self::add(&self.answer_us, us);
        Self::add(&self.answer_buckets[bucket], 1);
    }
}

/// Reads the counters of the streams for `/metrics`.
#[derive(Debug)]
pub(crate) struct StreamCounters(pub(crate) Nodes);

impl Collector for StreamCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let metrics = self.0.metrics();
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        for (name, help, value) in metrics.rows() {
            let name = format!("discovery_{name}");
            encoder
                .encode_descriptor(&name, help, None, MetricType::Counter)?
                .encode_counter(&value, none)?;
        }
        let name = "discovery_acknowledge_duration_seconds";
        let help = "Time from the last part of a delta to its acknowledgement";
        let mut histogram = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let bounds = ANSWER_BOUNDS_MS.iter().map(|ms| seconds(ms * 1000));
        let counts = metrics.answer_buckets.iter();
        let counts = counts.map(|it| it.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let total = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(metrics.answer_us.load(Ordering::Relaxed));
        histogram.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

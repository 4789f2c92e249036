//! What the stream costs and how it goes, for `/metrics`.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

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
    /// Deltas acknowledged.
    pub answers: AtomicU64,
    /// Time from the last part of a delta to its acknowledgement, in microseconds, in total.
    pub answer_us: AtomicU64,
    /// The same, counted by [`ANSWER_BOUNDS_MS`]; not cumulative, the last one is all that is longer.
    pub answer_buckets: [AtomicU64; ANSWER_BOUNDS_MS.len() + 1],
}

impl Metrics {
    /// Name, help and value of every counter but the buckets.
    pub fn rows(&self) -> [(&'static str, &'static str, u64); 10] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("sessions", "Streams accepted", read(&self.sessions)),
            ("sessions_refused", "Streams refused", read(&self.refused)),
            ("resumes", "Nodes that resumed", read(&self.resumes)),
            ("lists", "Nodes asked what they hold", read(&self.lists)),
            ("deltas", "Deltas sent", read(&self.deltas)),
            ("snapshots", "Snapshots sent", read(&self.snapshots)),
            ("bytes", "Bytes of resources sent", read(&self.bytes)),
            ("rejects", "Resources refused by nodes", read(&self.rejects)),
            ("answers", "Deltas acknowledged", read(&self.answers)),
            ("answer_us", "Time to acknowledge", read(&self.answer_us)),
        ]
    }

    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let bucket = ANSWER_BOUNDS_MS.partition_point(|bound| bound * 1000 < us);
        Self::add(&self.answers, 1);
        Self::add(&self.answer_us, us);
        Self::add(&self.answer_buckets[bucket], 1);
    }
}

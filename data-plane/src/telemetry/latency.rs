//! How long requests of a service took, fine enough to compare two services by it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use gatewright_proto::latency::{RANGES, range_of};

/// Counts by range of latency.
#[derive(Debug)]
pub(super) struct Latency([AtomicU64; RANGES]);

impl Default for Latency {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latency {
    /// Counts one.
    pub(super) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0[range_of(us)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were counted in each range, without those with none.
    pub(super) fn counts(&self) -> BTreeMap<u32, u64> {
        let counts = self.0.iter().map(|it| it.load(Ordering::Relaxed));
        (0..).zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

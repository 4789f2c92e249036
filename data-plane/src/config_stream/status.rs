//! How following the control plane goes, for the status interface.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::time::Instant;

/// Plain counters; written by the stream's task, read by anyone.
#[derive(Debug)]
pub(crate) struct StreamStatus {
    connected: AtomicBool,
    streams: AtomicU64,
    deltas: AtomicU64,
    rejected: AtomicU64,
    refused: AtomicUsize,
    compile_us: AtomicU64,
    unkept: AtomicU64,
    lost_at: Mutex<Instant>,
}

impl StreamStatus {
    /// Not connected yet.
    pub(crate) fn new() -> Self {
        Self {
            connected: AtomicBool::new(false),
            streams: AtomicU64::new(0),
            deltas: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            refused: AtomicUsize::new(0),
            compile_us: AtomicU64::new(0),
            unkept: AtomicU64::new(0),
            lost_at: Mutex::new(Instant::now()),
        }
    }

    /// For how long nothing has been heard of newer configurations, in seconds; none while a control plane is
    /// followed.
    pub(crate) fn stale(&self) -> Option<u64> {
        if self.connected.load(Relaxed) {
            return None;
        }
        let lost_at = self.lost_at.lock().unwrap_or_else(PoisonError::into_inner);
        Some(lost_at.elapsed().as_secs())
    }

    /// The same; 0 while a control plane is followed.
    pub(crate) fn staleness_seconds(&self) -> u64 {
        self.stale().unwrap_or(0)
    }

    /// Name and value of every counter.
    pub(crate) fn rows(&self) -> [(&'static str, u64); 8] {
        [
            ("connected", self.connected.load(Relaxed).into()),
            ("staleness_seconds", self.staleness_seconds()),
            ("streams", self.streams.load(Relaxed)),
            ("deltas", self.deltas.load(Relaxed)),
            ("deltas_rejected", self.rejected.load(Relaxed)),
            ("resources_refused", self.refused.load(Relaxed) as u64),
            ("compile_us", self.compile_us.load(Relaxed)),
            ("not_kept", self.unkept.load(Relaxed)),
        ]
    }

    pub(super) fn connected(&self, connected: bool) {
        let before = self.connected.swap(connected, Relaxed);
        if connected {
            self.streams.fetch_add(1, Relaxed);
        } else if before {
            *self.lost_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    pub(super) fn applied(&self, compile_us: u64) {
        self.deltas.fetch_add(1, Relaxed);
        self.compile_us.store(compile_us, Relaxed);
    }

    pub(super) fn refused(&self, resources: usize) {
        self.refused.store(resources, Relaxed);
    }

    pub(super) fn rejected(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }

    pub(super) fn unkept(&self) {
        self.unkept.fetch_add(1, Relaxed);
    }
}

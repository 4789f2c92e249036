//! Whether this node can serve: true from the first publish on, false again while draining.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Shared between who knows and who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness {
    published: Arc<AtomicBool>,
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// A configuration is served.
    pub(crate) fn published(&self) {
        self.published.store(true, Ordering::Release);
    }

    /// No new work, please.
    pub(crate) fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether to send traffic here.
    pub(crate) fn is_ready(&self) -> bool {
        self.published.load(Ordering::Acquire) && !self.draining.load(Ordering::Acquire)
    }
}

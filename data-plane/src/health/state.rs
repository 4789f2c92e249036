//! Whether one target can be used.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Whether one target can be used.
#[derive(Debug)]
pub(crate) struct Health {
    usable: AtomicBool,
    /// Of the upstream: how often any of its targets has changed. Balancers look again at who can be used
    /// when it goes up, and not with every request.
    changes: Arc<AtomicU64>,
}

impl Health {
    /// Usable, of an upstream with this count of changes.
    pub(crate) const fn new(changes: Arc<AtomicU64>) -> Self {
        Self {
            usable: AtomicBool::new(true),
            changes,
        }
    }

    /// Whether requests may be sent to it.
    pub(crate) fn usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Says so from now on. The only way: that balancers notice depends on it.
    #[allow(dead_code)]
    pub(crate) fn set_usable(&self, usable: bool) {
        if self.usable.swap(usable, Ordering::Relaxed) != usable {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_counts_as_one() {
        let changes = Arc::new(AtomicU64::new(0));
        let health = Health::new(Arc::clone(&changes));
        for (usable, count) in [(true, 0), (false, 1), (false, 1), (true, 2)] {
            health.set_usable(usable);
            assert_eq!(health.usable(), usable);
            assert_eq!(changes.load(Ordering::Relaxed), count);
        }
    }
}

//! Bounds on what is at work towards an upstream at a time.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::Kept;

/// The bounds; none where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Connections.
    pub max_connections: Option<u32>,
    /// Requests that wait for one.
    pub max_pending: Option<u32>,
    /// Requests in flight.
    pub max_requests: Option<u32>,
    /// Retries in flight.
    pub max_retries: Option<u32>,
    /// Connections to each address.
    pub max_connections_per_target: Option<u32>,
}

/// What is at work. It outlives changes of the bounds.
#[derive(Debug, Default)]
pub struct AtWork {
    /// Connections, idle ones included.
    pub connections: Places,
    /// Requests that wait for one.
    pub pending: Places,
    /// Requests in flight.
    pub requests: Places,
    /// Retries in flight.
    pub retries: Places,
}

/// A number of places that are taken.
#[derive(Debug, Default)]
pub struct Places(AtomicU32);

impl Places {
    /// Takes one, unless so many are taken. To be given back with [`Places::leave`].
    pub fn enter(&self, most: Option<u32>) -> bool {
        let most = most.unwrap_or(u32::MAX);
        let more = |present| (present < most).then_some(present + 1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Gives one back.
    pub fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are taken.
    pub fn taken(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A retry in flight, until dropped.
#[derive(Debug)]
pub struct RetryPlace(Arc<Kept<LimitSettings, AtWork>>);

impl RetryPlace {
    /// One under these limits; none where there are as many as there may be.
    pub fn take(limits: &Arc<Kept<LimitSettings, AtWork>>) -> Option<Self> {
        let entered = limits.state.retries.enter(limits.settings.max_retries);
        entered.then(|| Self(Arc::clone(limits)))
    }
}

impl Drop for RetryPlace {
    fn drop(&mut self) {
        self.0.state.retries.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn no_more_places_are_taken_than_there_are() {
        let places = Places::default();
        let taken: Vec<bool> = (0..3).map(|_| places.enter(Some(2))).collect();
        assert_eq!(taken, [true, true, false]);
        places.leave();
        assert!(places.enter(Some(2)));
        assert!(places.enter(None));
        assert_eq!(places.taken(), 3);
        assert!(!places.enter(Some(0)));
    }
}

//! What is known of an upstream and its targets beyond one revision: kept by the upstream's name and the
//! target's address for as long as anything uses it, whatever becomes of the settings.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use gatewright_engine::outcome::Outcome;

use crate::{
    guard::gate::Connections,
    health::{Group, Health},
};

/// Of one upstream, by its name.
#[derive(Debug, Default)]
pub(crate) struct UpstreamState {
    /// How often the health of any of its targets has changed.
    changes: Arc<AtomicU64>,
    /// The health of its targets together.
    pub(super) health: Arc<Group>,
    /// Its connections, where they are limited.
    pub(crate) connections: Arc<Connections>,
    by_address: Mutex<HashMap<SocketAddr, Weak<TargetState>>>,
}

impl UpstreamState {
    /// The state of one address.
    pub(super) fn target(self: &Arc<Self>, socket: SocketAddr) -> Arc<TargetState> {
        let mut known = self.by_address();
        if let Some(state) = known.get(&socket).and_then(Weak::upgrade) {
            return state;
        }
        let state = Arc::new(TargetState {
            counts: AtomicU64::new(0),
            health: Health::new(Arc::clone(&self.changes), Arc::clone(&self.health)),
            since: Instant::now(),
            upstream: Arc::clone(self),
        });
        known.insert(socket, Arc::downgrade(&state));
        state
    }

    pub(super) fn forget_unused(&self) {
        self.by_address()
            .retain(|_, state| state.strong_count() > 0);
    }

    fn by_address(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, Weak<TargetState>>> {
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bits of the requests in flight; the picks are above them.
const IN_FLIGHT_BITS: u32 = 24;
const IN_FLIGHT: u64 = (1 << IN_FLIGHT_BITS) - 1;
/// One more pick, and one more request in flight.
const BEGUN: u64 = (1 << IN_FLIGHT_BITS) + 1;

/// Of one address of an upstream.
#[derive(Debug)]
pub(crate) struct TargetState {
    /// Requests in flight and, above [`IN_FLIGHT_BITS`], how often it was picked: one update for both.
    counts: AtomicU64,
    /// Whether it can be used.
    pub(crate) health: Health,
    /// When it joined.
    #[allow(dead_code)]
    pub(crate) since: Instant,
    /// Keeps what all targets of the upstream share.
    #[allow(dead_code)]
    upstream: Arc<UpstreamState>,
}

impl TargetState {
    /// Requests in flight to it from this node.
    pub(crate) fn in_flight(&self) -> u32 {
        let counts = self.counts.load(Ordering::Relaxed) & IN_FLIGHT;
        u32::try_from(counts).unwrap_or(u32::MAX)
    }

    /// Counts a request to it.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.counts.fetch_add(BEGUN, Ordering::Relaxed);
        self.health.begin();
        InFlight(Arc::clone(self))
    }

    /// Learns from what became of an attempt.
    pub(super) fn finish(&self, outcome: &Outcome, now: Instant) {
        self.health.finish(outcome, now);
    }
}

/// A request in flight to an address, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<TargetState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counts.fetch_sub(1, Ordering::Relaxed);
    }
}

//! What is known of an upstream and its targets beyond one revision: kept by the upstream's name and the
//! target's address for as long as anything uses it, whatever becomes of the settings.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gatewright_engine::{
    balance::{Ewma, SlowStart},
    outcome::Outcome,
};

use super::names::Memory;
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
    /// What names of its targets stand for.
    pub(super) names: Memory,
    /// Its connections, where they are limited.
    pub(crate) connections: Arc<Connections>,
    /// Requests in flight to all targets, of those that were begun while a bound needed to know.
    in_flight: AtomicU32,
    by_address: Mutex<HashMap<SocketAddr, Weak<TargetState>>>,
}

impl UpstreamState {
    /// How often the health of any of its targets has changed.
    pub(super) fn changes(&self) -> u64 {
        // What was written before a change is seen by whoever sees its count.
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The state of one address, which joins others if it is not known yet.
    pub(super) fn target(self: &Arc<Self>, socket: SocketAddr, join: bool) -> Arc<TargetState> {
        let mut known = self.by_address();
        if let Some(state) = known.get(&socket).and_then(Weak::upgrade) {
            return state;
        }
        let state = Arc::new(TargetState::new(self, join));
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
/// Instead of a time: did not join, was there from the beginning.
const SETTLED: u64 = u64::MAX;

/// Of one address of an upstream.
#[derive(Debug)]
pub(crate) struct TargetState {
    /// Requests in flight and, above [`IN_FLIGHT_BITS`], how often it was picked: one update for both.
    counts: AtomicU64,
    /// Whether it can be used.
    pub(crate) health: Health,
    /// The fixed point of the times here.
    born: Instant,
    /// When it joined others, or could be used again, in nanoseconds since `born`.
    joined: AtomicU64,
    /// The estimate of what it costs, as bits, and when it was made, in nanoseconds since `born`. Two threads that update at a
    /// time may lose one of two samples, which does no harm.
    cost: AtomicU64,
    cost_at: AtomicU64,
    upstream: Arc<UpstreamState>,
}

impl TargetState {
    fn new(upstream: &Arc<UpstreamState>, join: bool) -> Self {
        Self {
            counts: AtomicU64::new(0),
            health: Health::new(Arc::clone(&upstream.changes), Arc::clone(&upstream.health)),
            born: Instant::now(),
            joined: AtomicU64::new(if join { 0 } else { SETTLED }),
            cost: AtomicU64::new(Ewma::new(Duration::ZERO).value.to_bits()),
            cost_at: AtomicU64::new(0),
            upstream: Arc::clone(upstream),
        }
    }

    /// Requests in flight to it from this node.
    pub(crate) fn in_flight(&self) -> u32 {
        let counts = self.counts.load(Ordering::Relaxed) & IN_FLIGHT;
        u32::try_from(counts).unwrap_or(u32::MAX)
    }

    /// How often it was picked.
    pub(crate) fn picks(&self) -> u64 {
        self.counts.load(Ordering::Relaxed) >> IN_FLIGHT_BITS
    }

    /// Counts a request to it, and to all of the upstream where a bound needs to know.
    pub(super) fn begin(self: &Arc<Self>, bounded: bool) -> InFlight {
        self.counts.fetch_add(BEGUN, Ordering::Relaxed);
        self.health.begin();
        if bounded {
            self.upstream.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        InFlight {
            target: Arc::clone(self),
            bounded,
        }
    }

    /// Learns from what became of an attempt; what it costs, where that is asked for.
    pub(super) fn finish(&self, outcome: &Outcome, now: Instant, decay: Option<Duration>) {
        self.health.finish(outcome, now);
        if let Some(decay) = decay {
            let cost = self.ewma().observe(outcome, self.since_born(now), decay);
            self.cost.store(cost.value.to_bits(), Ordering::Relaxed);
            self.cost_at.store(nanoseconds(cost.at), Ordering::Relaxed);
        }
    }

    /// What a further request to it costs.
    pub(super) fn cost(&self, now: Instant, decay: Duration) -> f64 {
        self.ewma()
            .cost(self.in_flight(), self.since_born(now), decay)
    }

    /// The estimate of its latency, in seconds.
    pub(crate) fn estimate(&self, now: Instant, decay: Duration) -> f64 {
        self.ewma().now(self.since_born(now), decay)
    }

    fn ewma(&self) -> Ewma {
        Ewma {
            value: f64::from_bits(self.cost.load(Ordering::Relaxed)),
            at: Duration::from_nanos(self.cost_at.load(Ordering::Relaxed)),
        }
    }

    /// It can be used from now on, and could not before.
    pub(super) fn join(&self, now: Instant) {
        let joined = nanoseconds(self.since_born(now));
        self.joined.store(joined, Ordering::Relaxed);
    }

    /// The part of its weight that it counts for.
    pub(super) fn ramp(&self, slow_start: &SlowStart, now: Instant) -> f64 {
        match self.joined.load(Ordering::Relaxed) {
            SETTLED => 1.0,
            joined => {
                let since = self.since_born(now);
                slow_start.share(since.saturating_sub(Duration::from_nanos(joined)))
            }
        }
    }

    fn since_born(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1)
}

/// A request in flight to an address, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    target: Arc<TargetState>,
    bounded: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.target.counts.fetch_sub(1, Ordering::Relaxed);
        if self.bounded {
            let all = &self.target.upstream.in_flight;
            all.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

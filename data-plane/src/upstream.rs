//! Targets as they are at work: resolved addresses, requests in flight, whose turn it is. Kept by the
//! upstream's name across revisions, so that a change forgets nothing; owned by the upstream and shared by all
//! routes.

mod address;
mod affinity;
mod figures;
mod members;
mod names;
mod registry;
mod state;
mod view;
mod waiting;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use gatewright_engine::{
    Upstream,
    balance::{Ask, Cursor},
};
use gatewright_proto::v1::Balancer;
use tokio::{sync::watch, time::timeout};

use crate::{
    config_stream::Draft,
    guard::gate::Connections,
    health::{Condition, Group},
};
pub(crate) use address::Address;
pub(crate) use affinity::{Affinity, affinity};
pub(crate) use figures::Figures;
use members::members;
use names::Place;
pub(crate) use names::RESULTS;
pub(crate) use registry::Upstreams;
pub(crate) use state::{InFlight, TargetState, UpstreamState};
use view::{Asked, View};

/// An upstream at work.
#[derive(Debug)]
pub struct LiveUpstream {
    spec: Arc<Upstream>,
    state: Arc<UpstreamState>,
    view: ArcSwap<View>,
    /// Held by who replaces the view.
    building: Mutex<()>,
    /// Whether every name has been asked for once.
    resolved: watch::Receiver<bool>,
    /// One a worker, so that nobody waits for another.
    cursors: Box<[Mutex<Cursor>]>,
}

/// For what an address is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick<'a> {
    /// Who asks.
    pub(crate) worker: usize,
    /// Not to be picked again.
    pub(crate) tried: &'a [SocketAddr],
    /// What ties the request to a target.
    pub(crate) affinity: &'a Affinity,
    /// Longest time to wait for the name service and for first checks, where nothing can be picked yet.
    pub(crate) patience: Duration,
}

impl LiveUpstream {
    /// Whether it is what this specification asks for.
    pub(crate) fn serves(&self, spec: &Arc<Upstream>) -> bool {
        Arc::ptr_eq(&self.spec, spec) || self.spec == *spec
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// The health of its targets together.
    pub(crate) fn health(&self) -> &Arc<Group> {
        &self.state.health
    }

    /// All its addresses.
    pub(crate) fn addresses(&self) -> Arc<Vec<Arc<Address>>> {
        Arc::clone(&self.view.load().addresses)
    }

    /// Has these addresses from now on: of each target, in the order of the specification.
    pub(crate) fn replace(&self, found: &[Vec<Place>]) {
        let building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.addresses();
        let seen = self.state.changes();
        let addresses = members(&self.spec, found, (&self.state, !before.is_empty()));
        let sockets = |it: &[Arc<Address>]| -> Vec<_> {
            it.iter()
                .map(|it| (it.socket, it.weight, it.priority, Arc::clone(&it.host)))
                .collect()
        };
        if sockets(&addresses) == sockets(&before) {
            return;
        }
        let view = View::new(&self.spec, addresses, seen);
        self.view.store(Arc::new(view));
        // Those who wait for a target look at the view when they are told.
        drop(building);
        self.state.health.refresh();
    }

    /// The addresses as they are now. Looks at them again where their health has changed; where somebody else
    /// does so already, the view may be a moment old.
    fn view(&self) -> Guard<Arc<View>> {
        let view = self.view.load();
        if view.seen == self.state.changes() {
            return view;
        }
        if let Ok(_building) = self.building.try_lock() {
            let seen = self.state.changes();
            let again = self.view.load().again(seen);
            self.view.store(Arc::new(again));
        }
        self.view.load()
    }

    /// Picks an address that has not been tried.
    pub(crate) async fn pick(&self, pick: &Pick<'_>) -> Option<Arc<Address>> {
        if let Some(address) = self.pick_now(pick) {
            return Some(address);
        }
        // Rare, and in a place of its own, so that it does not make every request larger.
        let later = Box::pin(self.pick_later(pick));
        timeout(pick.patience, later).await.ok().flatten()
    }

    /// Its connections, for limits on them.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        &self.state.connections
    }

    /// The share of the addresses that are not used because they are ill, 0 to 1.
    pub(crate) fn ill_share(&self) -> f64 {
        let view = self.view();
        view.standing.ill_share(&view.plan)
    }

    /// Tells of every address.
    pub(crate) fn report(&self, draft: &mut Draft) {
        for address in self.addresses().iter() {
            let told = address.state.health.told();
            let row = draft.target(&self.spec.name, &address.target, address.socket);
            row.healthy = !matches!(told.condition, Condition::Unhealthy | Condition::Unknown);
            row.ejected = told.ejected;
            row.reason = told.reason.into_owned();
            row.since_ms = told.since_ms;
        }
    }

    /// Requests in flight to all of its targets.
    pub(crate) fn in_flight(&self) -> u64 {
        let addresses = self.addresses();
        let counts = addresses.iter().map(|it| it.state.in_flight());
        counts.map(u64::from).sum()
    }

    fn pick_now(&self, pick: &Pick<'_>) -> Option<Arc<Address>> {
        let balance = &self.spec.balance;
        if let Some(only) = &self.view.load().only {
            // One that cannot be used is less than any threshold.
            let usable = only.state.health.usable() || balance.panic_threshold_percent > 0;
            return (usable && pick.tried.is_empty()).then(|| Arc::clone(only));
        }
        let view = self.view();
        if let Some(bound) = view.bound(pick.affinity, pick.tried) {
            return Some(Arc::clone(bound));
        }
        let timed = balance.balancer == Balancer::PeakEwma || balance.slow_start.is_some();
        let asked = Asked {
            addresses: &view.addresses,
            upstream: &self.state,
            pick,
            now: timed.then(Instant::now),
        };
        let ask = Ask {
            plan: &view.plan,
            standing: &view.standing,
            sight: &asked,
            key: pick.affinity.key,
        };
        let cursor = self.cursors.get(pick.worker)?;
        let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let place = cursor.pick(&ask, &mut rand::rng())?;
        view.addresses.get(place).cloned()
    }
}

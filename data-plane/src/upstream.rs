//! Targets as they are at work: resolved addresses, requests in flight, whose turn it is. Kept by the
//! upstream's name across revisions, so that a change forgets nothing; owned by the upstream and shared by all
//! routes.

mod address;
mod affinity;
mod members;
mod names;
mod registry;
mod state;
mod waiting;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use gatewright_engine::{Candidate, Cursor, Upstream};
use smallvec::SmallVec;
use tokio::{sync::watch, time::timeout};

use crate::{
    config_stream::Draft,
    guard::gate::Connections,
    health::{Condition, Group},
};
pub(crate) use address::Address;
pub(crate) use affinity::{Affinity, affinity};
use members::members;
pub(crate) use registry::Upstreams;
pub(crate) use state::{InFlight, TargetState, UpstreamState};

/// An upstream at work.
#[derive(Debug)]
pub struct LiveUpstream {
    spec: Arc<Upstream>,
    state: Arc<UpstreamState>,
    addresses: ArcSwap<Vec<Arc<Address>>>,
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
    #[allow(dead_code)]
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
        self.addresses.load_full()
    }

    /// Has these addresses from now on: of each target, in the order of the specification.
    pub(crate) fn replace(&self, found: &[Vec<IpAddr>]) {
        let addresses = members(&self.spec, found, &self.state);
        let sockets = |it: &[Arc<Address>]| -> Vec<_> {
            it.iter().map(|it| (it.socket, it.weight)).collect()
        };
        if sockets(&addresses) != sockets(&self.addresses.load()) {
            self.addresses.store(Arc::new(addresses));
            self.state.health.refresh();
        }
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
        let addresses = self.addresses.load();
        let ill = addresses.iter().filter(|it| !it.state.health.usable());
        ill.count() as f64 / addresses.len().max(1) as f64
    }

    /// Tells of every address.
    pub(crate) fn report(&self, draft: &mut Draft) {
        for address in self.addresses.load().iter() {
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
        let addresses = self.addresses.load();
        let counts = addresses.iter().map(|it| it.state.in_flight());
        counts.map(u64::from).sum()
    }

    fn pick_now(&self, pick: &Pick<'_>) -> Option<Arc<Address>> {
        let addresses = self.addresses.load();
        if let [only] = addresses.as_slice() {
            let open = only.weight > 0 && pick.tried.is_empty();
            return open.then(|| Arc::clone(only));
        }
        // What cannot be used is picked where nothing else is.
        self.pick_of(&addresses, pick, |it| it.state.health.usable())
            .or_else(|| self.pick_of(&addresses, pick, |_| true))
    }

    fn pick_of(
        &self,
        addresses: &[Arc<Address>],
        pick: &Pick<'_>,
        open: impl Fn(&Address) -> bool,
    ) -> Option<Arc<Address>> {
        let candidates: SmallVec<[Candidate; 16]> = addresses
            .iter()
            .map(|address| Candidate {
                weight: if open(address) { address.weight } else { 0 },
                in_flight: address.state.in_flight(),
            })
            .collect();
        let tried: SmallVec<[usize; 4]> = addresses
            .iter()
            .enumerate()
            .filter(|(_, address)| pick.tried.contains(&address.socket))
            .map(|(place, _)| place)
            .collect();
        let cursor = self.cursors.get(pick.worker)?;
        let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let place = cursor.pick(self.spec.balancer, &candidates, &tried)?;
        addresses.get(place).cloned()
    }
}

//! Targets as they are at work: resolved addresses, requests in flight, whose turn it is. Kept by the
//! upstream's name across revisions, so that a change forgets nothing; owned by the upstream and shared by all
//! routes.

mod address;
mod names;
mod registry;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use gatewright_engine::{Candidate, Cursor, Upstream};
use smallvec::SmallVec;
use tokio::{sync::watch, time::timeout};

use crate::config_stream::Draft;
pub(crate) use address::{Address, InFlight};
pub(crate) use registry::Upstreams;

/// An upstream at work.
#[derive(Debug)]
pub struct LiveUpstream {
    spec: Arc<Upstream>,
    addresses: ArcSwap<Vec<Arc<Address>>>,
    /// Whether every name has been asked for once.
    resolved: watch::Receiver<bool>,
    /// One a worker, so that nobody waits for another.
    cursors: Box<[Mutex<Cursor>]>,
}

impl LiveUpstream {
    /// Whether it is what this specification asks for.
    pub(crate) fn serves(&self, spec: &Arc<Upstream>) -> bool {
        Arc::ptr_eq(&self.spec, spec) || self.spec == *spec
    }

    /// Picks an address that has not been tried. Where none is known yet, waits for the name service,
    /// at most `patience`.
    pub(crate) async fn pick(
        &self,
        worker: usize,
        tried: &[SocketAddr],
        patience: Duration,
    ) -> Option<Arc<Address>> {
        if let Some(address) = self.pick_now(worker, tried) {
            return Some(address);
        }
        let mut resolved = self.resolved.clone();
        if *resolved.borrow() {
            return None;
        }
        let _ = timeout(patience, resolved.wait_for(|done| *done)).await;
        self.pick_now(worker, tried)
    }

    /// Tells of every address.
    pub(crate) fn report(&self, draft: &mut Draft) {
        for address in self.addresses.load().iter() {
            draft.target(&self.spec.name, &address.target, address.socket);
        }
    }

    fn pick_now(&self, worker: usize, tried: &[SocketAddr]) -> Option<Arc<Address>> {
        let addresses = self.addresses.load();
        if let [only] = addresses.as_slice() {
            let usable = only.weight > 0 && tried.is_empty();
            return usable.then(|| Arc::clone(only));
        }
        let candidates: SmallVec<[Candidate; 16]> = addresses
            .iter()
            .map(|address| Candidate {
                weight: address.weight,
                in_flight: address.in_flight.load(Ordering::Relaxed),
            })
            .collect();
        let tried: SmallVec<[usize; 4]> = addresses
            .iter()
            .enumerate()
            .filter(|(_, address)| tried.contains(&address.socket))
            .map(|(place, _)| place)
            .collect();
        let cursor = self.cursors.get(worker)?;
        let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let place = cursor.pick(self.spec.balancer, &candidates, &tried)?;
        addresses.get(place).cloned()
    }
}

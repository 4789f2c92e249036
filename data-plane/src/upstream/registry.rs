//! All upstreams at work, by name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use gatewright_engine::{Target, Upstream};
use tokio::sync::watch;

use super::{LiveUpstream, UpstreamState, members::members, names, view::View};

/// All upstreams at work.
#[derive(Debug)]
pub(crate) struct Upstreams {
    workers: usize,
    by_name: Mutex<HashMap<Arc<str>, Known>>,
}

/// What is at work under a name, and what is known under it: a request in flight keeps the latter.
#[derive(Debug)]
struct Known {
    live: Weak<LiveUpstream>,
    state: Weak<UpstreamState>,
}

impl Upstreams {
    /// For this many workers.
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            by_name: Mutex::default(),
        })
    }

    /// The upstream at work for this specification; the present one where nothing has changed.
    pub(crate) fn keep(&self, spec: &Arc<Upstream>) -> Arc<LiveUpstream> {
        let mut known = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(&spec.name);
        let present = before.and_then(|it| it.live.upgrade());
        if let Some(present) = present.as_ref().filter(|it| it.serves(spec)) {
            return Arc::clone(present);
        }
        let state = before.and_then(|it| it.state.upgrade()).unwrap_or_default();
        let (live, done) = self.begin(spec, state, present.as_deref());
        let live = Arc::new(live);
        live.state.health.begin(&live, &spec.health);
        let now = Known {
            live: Arc::downgrade(&live),
            state: Arc::downgrade(&live.state),
        };
        known.insert(Arc::clone(&spec.name), now);
        drop(known);
        if spec.targets.iter().any(|it| names::literal(it).is_none()) {
            tokio::spawn(names::follow(Arc::downgrade(&live), done));
        }
        live
    }

    /// To begin with, it has the addresses that are written, and what names stood for until now.
    fn begin(
        &self,
        spec: &Arc<Upstream>,
        state: Arc<UpstreamState>,
        present: Option<&LiveUpstream>,
    ) -> (LiveUpstream, watch::Sender<bool>) {
        let first = |target: &Target| state.names.places(target);
        let found: Vec<_> = spec.targets.iter().map(first).collect();
        let (done, resolved) = watch::channel(state.names.knows(&spec.targets));
        let join = present.is_some_and(|present| !present.addresses().is_empty());
        let seen = state.changes();
        let addresses = members(spec, &found, (&state, join));
        let live = LiveUpstream {
            spec: Arc::clone(spec),
            view: ArcSwap::from_pointee(View::new(spec, addresses, seen)),
            building: Mutex::default(),
            state,
            resolved,
            cursors: (0..self.workers).map(|_| Mutex::default()).collect(),
        };
        (live, done)
    }

    pub(crate) fn forget_unused(&self) {
        let mut known = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, it| {
            let state = it.state.upgrade();
            state.inspect(|state| state.forget_unused()).is_some()
        });
    }
}

#[cfg(test)]
mod tests;

//! What a node serves: the snapshot of one revision, joined with what outlives revisions (targets'
//! state, counters), so that a request looks nothing up by name.

use std::sync::Arc;

use arc_swap::ArcSwap;
use gatewright_engine::Snapshot;

use crate::{
    telemetry::{Metrics, RouteMetrics},
    upstream::{LiveUpstream, Upstreams},
};

/// A snapshot and what belongs to it.
#[derive(Debug)]
pub struct Published {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// The targets of each service, by [`gatewright_engine::Service::index`].
    pub upstreams: Vec<Arc<LiveUpstream>>,
    /// The counters of each route, by [`gatewright_engine::Route::index`].
    pub routes: Vec<Arc<RouteMetrics>>,
}

/// Publishes snapshots. Every reader switches at once.
#[derive(Clone, Debug)]
pub struct Publisher {
    current: Arc<ArcSwap<Published>>,
    upstreams: Arc<Upstreams>,
    metrics: Arc<Metrics>,
}

impl Publisher {
    pub(crate) fn new(upstreams: Arc<Upstreams>, metrics: Arc<Metrics>) -> Self {
        let nothing = Published {
            snapshot: Arc::new(Snapshot::empty()),
            upstreams: Vec::new(),
            routes: Vec::new(),
        };
        Self {
            current: Arc::new(ArcSwap::from_pointee(nothing)),
            upstreams,
            metrics,
        }
    }

    /// What is served, for those who read it with every request.
    pub fn current(&self) -> Arc<ArcSwap<Published>> {
        Arc::clone(&self.current)
    }

    /// Serves this snapshot from now on. Must be called within the control runtime, on which names of
    /// targets are resolved.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let upstreams = snapshot.services.iter();
        let upstreams = upstreams
            .map(|service| self.upstreams.keep(&service.upstream))
            .collect();
        let routes = snapshot
            .routes
            .iter()
            .map(|route| self.metrics.route(route))
            .collect();
        self.metrics
            .revision
            .set(i64::try_from(snapshot.revision).unwrap_or(i64::MAX));
        self.current.store(Arc::new(Published {
            snapshot,
            upstreams,
            routes,
        }));
        self.upstreams.forget_unused();
    }
}

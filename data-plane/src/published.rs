//! What a node serves: the snapshot of one revision, joined with what outlives revisions (targets'
//! state, counters), so that a request looks nothing up by name.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use arc_swap::ArcSwap;
use gatewright_engine::{
    Action, Route, Service, Snapshot, guard::Guard, live::Live, outcome::Outcome, retry::Retrying,
};
use gatewright_proto::v1::KeySetState;
use serde::Serialize;

use crate::{
    config_stream::{Draft, Reporter},
    connect::{Identities, Link, Pools},
    guard::{self, gate::Gate},
    health::{Prober, Way},
    telemetry::{Metrics, RouteMetrics, ServiceMetrics, stranglers},
    upstream::{LiveUpstream, Upstreams},
};

/// A snapshot and what belongs to it.
#[derive(Debug)]
pub struct Published {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// By [`gatewright_engine::Service::index`].
    pub services: Vec<LiveService>,
    /// The counters of each route, by [`gatewright_engine::Route::index`].
    pub routes: Vec<Arc<RouteMetrics>>,
}

/// What belongs to one service.
#[derive(Clone, Debug)]
pub struct LiveService {
    /// Its targets at work.
    pub upstream: Arc<LiveUpstream>,
    /// Its counters.
    pub metrics: Arc<ServiceMetrics>,
    /// What protects it.
    pub guard: Arc<Guard>,
    /// How connections to its targets are made.
    pub(crate) link: Arc<Link>,
    /// The name to send and check in TLS; none is the target's host.
    pub server_name: Option<Arc<str>>,
    /// Its retries under way.
    pub retrying: Arc<Retrying>,
}

impl LiveService {
    /// Learns from an attempt that is over. Called exactly once for each.
    pub(crate) fn attempted(&self, outcome: &Outcome, now: Instant) {
        guard::attempted(&self.guard, outcome, now, || self.upstream.ill_share());
    }
}

/// What a node holds, for people to read.
#[derive(Debug, Default, Serialize)]
pub struct Holding {
    /// Hash of all that is held, in hexadecimal.
    pub digest: String,
    /// Resources that were refused, as `route/orders`, and whether an earlier version is served.
    pub refused: BTreeMap<String, bool>,
}

impl Holding {
    fn of(live: &Live) -> Self {
        let digest = live.set.digest();
        let closed = live.set.refused.keys().map(|key| (key.to_string(), false));
        let outdated = live.outdated.keys().map(|key| (key.to_string(), true));
        Self {
            digest: format!("{:032x}", u128::from_be_bytes(*digest.as_bytes())),
            refused: closed.chain(outdated).collect(),
        }
    }
}

/// Publishes snapshots. Every reader switches at once.
#[derive(Clone, Debug)]
pub struct Publisher {
    current: Arc<ArcSwap<Published>>,
    holding: Arc<ArcSwap<Holding>>,
    upstreams: Arc<Upstreams>,
    prober: Arc<Prober>,
    pools: Arc<Pools>,
    metrics: Arc<Metrics>,
}

impl Publisher {
    pub(crate) fn new(upstreams: Arc<Upstreams>, metrics: Arc<Metrics>) -> Self {
        let nothing = Published {
            snapshot: Arc::new(Snapshot::empty()),
            services: Vec::new(),
            routes: Vec::new(),
        };
        let current = Arc::new(ArcSwap::from_pointee(nothing));
        metrics.read(Arc::clone(&current));
        let (prober, pools) = (Arc::<Prober>::default(), Pools::default());
        for pool in prober.retire() {
            pools.add(pool);
        }
        Self {
            current,
            holding: Arc::default(),
            upstreams,
            prober,
            pools: Arc::new(pools),
            metrics,
        }
    }

    /// Those who keep connections to targets, and are told which ones to.
    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// What is served, for those who read it with every request.
    pub fn current(&self) -> Arc<ArcSwap<Published>> {
        Arc::clone(&self.current)
    }

    /// What is held, as of the last call of [`Publisher::hold`].
    pub fn holding(&self) -> Arc<Holding> {
        self.holding.load_full()
    }

    /// Serves what is held, and tells what is not.
    pub fn hold(&self, live: &Live) {
        self.publish(live.current.load_full());
        let holding = Holding::of(live);
        let refused = i64::try_from(holding.refused.len()).unwrap_or(i64::MAX);
        self.metrics.refused.set(refused);
        self.holding.store(Arc::new(holding));
    }

    /// Serves this snapshot from now on. Must be called within the control runtime, on which names of
    /// targets are resolved, and by one task at a time.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        let before = self.current.load_full();
        let mut present = before.services.iter().peekable();
        let services = snapshot.services.iter();
        let services: Vec<_> = services
            .map(|service| {
                while present
                    .next_if(|it| *it.metrics.service < *service.name)
                    .is_some()
                {}
                let same = present.next_if(|it| *it.metrics.service == *service.name);
                let live = self.service(service, same);
                if snapshot.compared.contains(&*service.name) {
                    live.metrics.compare();
                }
                live
            })
            .collect();
        // Both lists are in order of name, so that keeping the counters costs one comparison a route.
        let mut present = before.routes.iter().peekable();
        let routes = snapshot.routes.iter();
        let routes = routes
            .map(|route| {
                while present.next_if(|it| *it.route < *route.name).is_some() {}
                let same = present.next_if(|it| *it.route == *route.name);
                counters(route, same)
            })
            .collect();
        self.lead(&snapshot, &services);
        self.metrics.published(snapshot.revision);
        self.current.store(Arc::new(Published {
            snapshot,
            services,
            routes,
        }));
        drop(before);
        self.upstreams.forget_unused();
        let published = self.current.load();
        let tls = published.snapshot.services.iter();
        let tls = tls.filter_map(|service| service.tls.as_ref());
        self.pools.retire(Identities::of(tls));
    }

    /// Health checks go the way that requests do: that of the first service, where an upstream has several.
    fn lead(&self, snapshot: &Snapshot, services: &[LiveService]) {
        let mut led = HashSet::new();
        for (service, live) in snapshot.services.iter().zip(services) {
            if led.insert(Arc::as_ptr(&live.upstream)) {
                let way = Way {
                    tls: service.tls.clone(),
                    server_name: live.server_name.clone(),
                    protocol: service.protocol,
                    proxy_protocol: service.proxy_protocol,
                };
                live.upstream.health().lead(way, &self.prober);
            }
        }
    }

    fn service(&self, service: &Service, present: Option<&LiveService>) -> LiveService {
        let upstream = match present {
            Some(present) if present.upstream.serves(&service.upstream) => {
                Arc::clone(&present.upstream)
            }
            _ => self.upstreams.keep(&service.upstream),
        };
        let metrics = match present {
            Some(present) => Arc::clone(&present.metrics),
            None => Arc::new(ServiceMetrics::new(Arc::clone(&service.name))),
        };
        let server_name = service
            .tls
            .as_ref()
            .and_then(|tls| tls.server_name.as_deref());
        let retrying = present.map(|it| Arc::clone(&it.retrying));
        let link = Link {
            proxy_protocol: service.proxy_protocol,
            gate: Gate::of(&service.guard, upstream.connections()),
            connections: usize::try_from(service.connections_per_target).unwrap_or(1),
            metrics: Some(Arc::clone(&metrics)),
            ..Link::new(service.tls.clone(), service.protocol)
        };
        LiveService {
            retrying: retrying.unwrap_or_default(),
            upstream,
            metrics,
            guard: Arc::clone(&service.guard),
            link: Arc::new(link),
            server_name: server_name.map(Arc::from),
        }
    }
}

impl Reporter for Publisher {
    fn report(&self, draft: &mut Draft) {
        let (published, now) = (self.current.load(), Instant::now());
        for service in &published.services {
            let metrics = &service.metrics;
            let row = draft.service(&metrics.service);
            row.in_flight = service.upstream.in_flight();
            metrics.report(row, now);
            if published.snapshot.compared.contains(&*metrics.service) {
                row.latency = metrics.latency();
            }
            guard::report(&service.guard, row);
            service.upstream.report(draft);
        }
        guard::report_rates(&published.snapshot, draft);
        stranglers::report(&published.snapshot, draft);
        for set in published.snapshot.key_sets.values() {
            let unknown_keys = set.unknown_keys();
            if set.remote && unknown_keys > 0 {
                draft.key_set(KeySetState {
                    key_set: set.name.to_string(),
                    unknown_keys,
                });
            }
        }
        for instance in published.snapshot.plugins.values() {
            for secret in &instance.secrets {
                if let Err(lack) = &secret.found {
                    draft.missing_secret(&instance.name, secret, lack);
                }
            }
        }
        for missing in &published.snapshot.missing_secrets {
            draft.missing_secret_of(missing);
        }
        let consumers = &published.snapshot.consumers;
        let logins = consumers.by_username.values().map(|it| &it.credential);
        for credential in consumers.by_key.values().chain(logins) {
            if credential.last_use.is_recent() {
                draft.credential(&credential.name, credential.last_use.ms());
            }
        }
    }
}

fn counters(route: &Route, present: Option<&Arc<RouteMetrics>>) -> Arc<RouteMetrics> {
    let service = match &route.action {
        Action::Forward(service) => Arc::clone(&service.name),
        _ => "".into(),
    };
    let backends = route.backends().iter().map(|it| &it.service);
    match present {
        Some(present) if present.service == service && present.has_backends(backends.clone()) => {
            Arc::clone(present)
        }
        _ => {
            let name = Arc::clone(&route.name);
            let own = RouteMetrics::new(name, service);
            Arc::new(own.with_backends(backends, present))
        }
    }
}

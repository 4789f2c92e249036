//! All upstreams at work, by name.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicU32},
};

use arc_swap::ArcSwap;
use gatewright_engine::{Target, Upstream};
use tokio::sync::watch;

use super::{Address, LiveUpstream, names};

/// All upstreams at work.
#[derive(Debug)]
pub(crate) struct Upstreams {
    workers: usize,
    by_name: Mutex<HashMap<Arc<str>, Weak<LiveUpstream>>>,
    /// Counters by address; they outlive changes of an upstream.
    in_flight: Mutex<HashMap<SocketAddr, Weak<AtomicU32>>>,
}

impl Upstreams {
    /// For this many workers.
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            by_name: Mutex::default(),
            in_flight: Mutex::default(),
        })
    }

    /// The upstream at work for this specification; the present one where nothing has changed.
    pub(crate) fn keep(self: &Arc<Self>, spec: &Arc<Upstream>) -> Arc<LiveUpstream> {
        let mut known = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let present = known.get(&spec.name).and_then(Weak::upgrade);
        if let Some(present) = present.as_ref().filter(|it| it.serves(spec)) {
            return Arc::clone(present);
        }
        // To begin with: addresses that are written, and what names stood for until now.
        let first = |target: &Target| match (names::literal(target), &present) {
            (Some(ip), _) => vec![ip],
            (None, Some(present)) => present.known(target),
            (None, None) => Vec::new(),
        };
        let found: Vec<_> = spec.targets.iter().map(first).collect();
        let named = spec
            .targets
            .iter()
            .any(|target| names::literal(target).is_none());
        let (done, resolved) = watch::channel(!named);
        let live = Arc::new(LiveUpstream {
            spec: Arc::clone(spec),
            addresses: ArcSwap::from_pointee(self.addresses(spec, &found)),
            resolved,
            cursors: (0..self.workers).map(|_| Mutex::default()).collect(),
        });
        known.insert(Arc::clone(&spec.name), Arc::downgrade(&live));
        drop(known);
        if named {
            let weak = Arc::downgrade(&live);
            tokio::spawn(names::follow(Arc::clone(self), weak, done));
        }
        live
    }

    pub(crate) fn forget_unused(&self) {
        let mut known = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, upstream| upstream.strong_count() > 0);
        drop(known);
        let counters = self.in_flight.lock();
        let mut counters = counters.unwrap_or_else(PoisonError::into_inner);
        counters.retain(|_, counter| counter.strong_count() > 0);
    }

    /// What targets (in the order of the specification) stand for. The addresses of one share its weight,
    /// so that a name with many does not get more than it should.
    pub(super) fn addresses(&self, spec: &Upstream, found: &[Vec<IpAddr>]) -> Vec<Arc<Address>> {
        /// Divisible by each number up to 8, and small enough for any weight.
        const PARTS: u32 = 840;
        let shared = found.iter().any(|ips| ips.len() > 1);
        let mut addresses = Vec::new();
        for (target, ips) in spec.targets.iter().zip(found) {
            let count = u32::try_from(ips.len()).unwrap_or(u32::MAX);
            let weight = match (shared, target.weight) {
                (false, weight) => weight,
                (true, 0) => 0,
                (true, weight) => (weight * PARTS / count.max(1)).max(1),
            };
            for ip in ips {
                let socket = SocketAddr::new(*ip, target.port);
                let in_flight = self.counter(socket);
                addresses.push(Arc::new(Address::new(target, socket, weight, in_flight)));
            }
        }
        addresses
    }

    fn counter(&self, socket: SocketAddr) -> Arc<AtomicU32> {
        let counters = self.in_flight.lock();
        let mut counters = counters.unwrap_or_else(PoisonError::into_inner);
        let counter = counters.get(&socket).and_then(Weak::upgrade);
        let counter = counter.unwrap_or_default();
        counters.insert(socket, Arc::downgrade(&counter));
        counter
    }
}

#[cfg(test)]
mod tests {
    use gatewright_engine::health::HealthSpec;
    use gatewright_proto::v1::Balancer;

    use super::*;

    fn upstream(targets: &[(&str, u32)]) -> Arc<Upstream> {
        let target = |(host, weight): &(&str, u32)| Target {
            name: (*host).into(),
            host: (*host).into(),
            port: 80,
            weight: *weight,
        };
        Arc::new(Upstream {
            name: "u".into(),
            balancer: Balancer::RoundRobin,
            dns_refresh_ms: 5000,
            health: HealthSpec::default(),
            targets: targets.iter().map(target).collect(),
        })
    }

    #[test]
    fn the_addresses_of_a_name_share_its_weight() {
        let upstreams = Upstreams::new(1);
        let spec = upstream(&[("a", 100), ("b", 100), ("c", 0)]);
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let found = [vec![ip(1), ip(2)], vec![ip(3)], vec![ip(4), ip(5)]];
        let addresses = upstreams.addresses(&spec, &found);
        let weights: Vec<u32> = addresses.iter().map(|it| it.weight).collect();
        assert_eq!(weights, [42_000, 42_000, 84_000, 0, 0]);
    }

    #[test]
    fn a_change_forgets_no_request_in_flight() {
        let upstreams = Upstreams::new(1);
        let before = upstreams.keep(&upstream(&[("10.0.0.1", 100)]));
        let busy = before.addresses.load()[0].begin();
        let same = upstreams.keep(&upstream(&[("10.0.0.1", 100)]));
        assert!(Arc::ptr_eq(&before, &same));
        let after = upstreams.keep(&upstream(&[("10.0.0.1", 50), ("10.0.0.2", 50)]));
        let in_flight = |at: usize| {
            let counter = &after.addresses.load()[at].in_flight;
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        assert_eq!((in_flight(0), in_flight(1)), (1, 0));
        drop(busy);
        assert_eq!(in_flight(0), 0);
    }
}

//! Targets as they are at work: resolved addresses, requests in flight, whose turn it is. Kept by the
//! upstream's name across revisions, so that a change forgets nothing; owned by the upstream and shared by all
//! routes.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gatewright_engine::{Candidate, Cursor, Target, Upstream};
use smallvec::SmallVec;
use tokio::{net::lookup_host, sync::watch, time::timeout};

/// How long the name service may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most addresses of one name.
const MAX_ADDRESSES: usize = 256;

/// One address that gets requests.
#[derive(Debug)]
pub struct Address {
    /// Where it is.
    pub socket: SocketAddr,
    /// The target it belongs to.
    pub target: Arc<str>,
    /// The target's host, for Host and TLS.
    pub host: Arc<str>,
    /// Share of the requests.
    pub weight: u32,
    in_flight: Arc<AtomicU32>,
}

/// A request in flight to an address, until dropped.
#[derive(Debug)]
pub struct InFlight(Arc<AtomicU32>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

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
    /// Picks an address that has not been tried. Where none is known yet, waits for the name service,
    /// at most `patience`.
    pub async fn pick(
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

impl Address {
    /// Counts a request to it.
    pub fn begin(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(&self.in_flight))
    }
}

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
        if let Some(present) = present.as_ref().filter(|it| *it.spec == **spec) {
            return Arc::clone(present);
        }
        let named = spec.targets.iter().any(|target| literal(target).is_none());
        let (done, resolved) = watch::channel(!named);
        let live = Arc::new(LiveUpstream {
            spec: Arc::clone(spec),
            addresses: ArcSwap::from_pointee(self.first(spec, present.as_deref())),
            resolved,
            cursors: (0..self.workers).map(|_| Mutex::default()).collect(),
        });
        known.insert(Arc::clone(&spec.name), Arc::downgrade(&live));
        drop(known);
        if named {
            tokio::spawn(follow_names(Arc::clone(self), Arc::downgrade(&live), done));
        }
        live
    }

    pub(crate) fn forget_unused(&self) {
        let mut known = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, upstream| upstream.strong_count() > 0);
        let mut counters = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counters.retain(|_, counter| counter.strong_count() > 0);
    }

    /// Addresses to begin with: those that are written, and what names stood for until now.
    fn first(&self, spec: &Upstream, present: Option<&LiveUpstream>) -> Vec<Arc<Address>> {
        let mut addresses = Vec::new();
        for target in &spec.targets {
            if let Some(ip) = literal(target) {
                addresses.push(self.address(target, ip));
            } else if let Some(present) = present {
                let present = present.addresses.load();
                let same = present
                    .iter()
                    .filter(|it| it.target == target.name && *it.host == *target.host);
                addresses.extend(same.map(|it| self.address(target, it.socket.ip())));
            }
        }
        addresses
    }

    fn address(&self, target: &Target, ip: IpAddr) -> Arc<Address> {
        let socket = SocketAddr::new(ip, target.port);
        let mut counters = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let in_flight = counters
            .get(&socket)
            .and_then(Weak::upgrade)
            .unwrap_or_default();
        counters.insert(socket, Arc::downgrade(&in_flight));
        Arc::new(Address {
            socket,
            target: Arc::clone(&target.name),
            host: (*target.host).into(),
            weight: target.weight,
            in_flight,
        })
    }
}

fn literal(target: &Target) -> Option<IpAddr> {
    target.host.parse().ok()
}

/// Asks the name service again and again, until the upstream is no longer used. What it does not
/// answer keeps its last good addresses.
async fn follow_names(
    upstreams: Arc<Upstreams>,
    upstream: Weak<LiveUpstream>,
    done: watch::Sender<bool>,
) {
    while let Some(live) = upstream.upgrade() {
        let mut addresses = Vec::new();
        for target in &live.spec.targets {
            match resolve(target).await {
                Some(ips) => {
                    addresses.extend(ips.into_iter().map(|ip| upstreams.address(target, ip)))
                }
                None => {
                    let present = live.addresses.load();
                    addresses.extend(
                        present
                            .iter()
                            .filter(|it| it.target == target.name)
                            .cloned(),
                    );
                }
            }
        }
        let key = |address: &Arc<Address>| (address.socket, address.weight);
        if !addresses
            .iter()
            .map(key)
            .eq(live.addresses.load().iter().map(key))
        {
            live.addresses.store(Arc::new(addresses));
        }
        let _ = done.send(true);
        let pause = Duration::from_millis(u64::from(live.spec.dns_refresh_ms));
        drop(live);
        tokio::time::sleep(pause).await;
    }
}

/// All addresses of a target, sorted; none where the name service failed.
async fn resolve(target: &Target) -> Option<Vec<IpAddr>> {
    if let Some(ip) = literal(target) {
        return Some(vec![ip]);
    }
    let looked_up = timeout(RESOLVE_TIMEOUT, lookup_host((&*target.host, target.port))).await;
    let mut ips: Vec<IpAddr> = match looked_up {
        Ok(Ok(found)) => found
            .take(MAX_ADDRESSES)
            .map(|address| address.ip())
            .collect(),
        Ok(Err(error)) => {
            tracing::warn!(host = %target.host, %error, "cannot resolve a target's name");
            return None;
        }
        Err(_) => {
            tracing::warn!(host = %target.host, "the name service did not answer in time");
            return None;
        }
    };
    ips.sort_unstable();
    ips.dedup();
    (!ips.is_empty()).then_some(ips)
}

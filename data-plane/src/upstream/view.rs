//! The addresses of an upstream, and what balancing over them needs: worked out when they or their health
//! change, read by every request.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use gatewright_engine::{
    Upstream,
    balance::{Member, Plan, Sight, Standing},
};

use super::{Address, Affinity, Pick, UpstreamState, address::Identity};

/// The addresses of an upstream, as of now.
#[derive(Debug)]
pub(super) struct View {
    pub(super) addresses: Arc<Vec<Arc<Address>>>,
    /// The only one, where there is nothing to choose.
    pub(super) only: Option<Arc<Address>>,
    pub(super) plan: Arc<Plan>,
    pub(super) standing: Standing,
    /// Where session cookies lead; empty without any.
    by_identity: Arc<HashMap<Identity, usize>>,
    /// The count of changes that it has seen.
    pub(super) seen: u64,
}

impl View {
    pub(super) fn new(spec: &Upstream, addresses: Vec<Arc<Address>>, seen: u64) -> Self {
        let names: Vec<String> = addresses.iter().map(|it| it.socket.to_string()).collect();
        let members: Vec<Member<'_>> = addresses
            .iter()
            .zip(&names)
            .map(|(address, name)| Member {
                weight: address.weight,
                priority: address.priority,
                identity: name.as_bytes(),
            })
            .collect();
        let plan = Arc::new(Plan::new(&spec.balance, &members));
        let by_identity = match &spec.balance.session {
            Some(_) => by_identity(&addresses),
            None => HashMap::new(),
        };
        let only = match addresses.as_slice() {
            [only] if only.weight > 0 => Some(Arc::clone(only)),
            _ => None,
        };
        Self {
            standing: standing(&plan, &addresses),
            addresses: Arc::new(addresses),
            only,
            plan,
            by_identity: Arc::new(by_identity),
            seen,
        }
    }

    /// The same addresses, with their health as it is now. Those that can be used again are brought in as if
    /// they had just joined.
    pub(super) fn again(&self, seen: u64) -> Self {
        let standing = standing(&self.plan, &self.addresses);
        let now = Instant::now();
        for (place, address) in self.addresses.iter().enumerate() {
            if standing.was_usable(place) && !self.standing.was_usable(place) {
                address.state.join(now);
            }
        }
        Self {
            addresses: Arc::clone(&self.addresses),
            only: self.only.clone(),
            plan: Arc::clone(&self.plan),
            standing,
            by_identity: Arc::clone(&self.by_identity),
            seen,
        }
    }

    /// The address that the request belongs to by its session, if it can be used.
    pub(super) fn bound(&self, affinity: &Affinity, tried: &[SocketAddr]) -> Option<&Arc<Address>> {
        let place = self.by_identity.get(affinity.session.as_ref()?)?;
        let address = self.addresses.get(*place)?;
        let usable = address.state.health.usable() || self.standing.panics();
        (usable && !tried.contains(&address.socket)).then_some(address)
    }
}

fn standing(plan: &Plan, addresses: &[Arc<Address>]) -> Standing {
    Standing::new(plan, |place| addresses[place].state.health.usable())
}

fn by_identity(addresses: &[Arc<Address>]) -> HashMap<Identity, usize> {
    let places = addresses.iter().enumerate();
    places.map(|(place, it)| (it.identity, place)).collect()
}

/// What a balancer may ask of the addresses, for one request.
pub(super) struct Asked<'a> {
    pub(super) addresses: &'a [Arc<Address>],
    pub(super) upstream: &'a UpstreamState,
    pub(super) pick: &'a Pick<'a>,
    /// Only where it is needed.
    pub(super) now: Option<Instant>,
}

impl Sight for Asked<'_> {
    fn is_usable(&self, place: usize) -> bool {
        self.addresses[place].state.health.usable()
    }

    fn is_repeat(&self) -> bool {
        !self.pick.tried.is_empty()
    }

    fn was_tried(&self, place: usize) -> bool {
        self.is_repeat() && self.pick.tried.contains(&self.addresses[place].socket)
    }

    fn in_flight(&self, place: usize) -> u32 {
        self.addresses[place].state.in_flight()
    }

    fn in_flight_of_all(&self) -> u32 {
        self.upstream.in_flight()
    }

    fn cost(&self, place: usize) -> f64 {
        let address = &self.addresses[place];
        let decay = address.balance.ewma_decay;
        self.now.map_or(0.0, |now| address.state.cost(now, decay))
    }

    fn ramp(&self, place: usize) -> f64 {
        let address = &self.addresses[place];
        match (&address.balance.slow_start, self.now) {
            (Some(slow_start), Some(now)) => address.state.ramp(slow_start, now),
            _ => 1.0,
        }
    }
}

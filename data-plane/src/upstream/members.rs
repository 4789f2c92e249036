//! The addresses of an upstream: what its targets stand for.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use gatewright_engine::Upstream;

use super::{Address, UpstreamState};

/// What targets (in the order of the specification) stand for. The addresses of one share its weight,
/// so that a name with many does not get more than it should. Those that join others have to begin slowly,
/// where the specification says so; those that an upstream begins with do not: nobody else is there.
pub(super) fn members(
    spec: &Upstream,
    found: &[Vec<IpAddr>],
    (state, join): (&Arc<UpstreamState>, bool),
) -> Vec<Arc<Address>> {
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
            let state = state.target(socket, join);
            let address = Address::new((spec, target), socket, weight, state);
            addresses.push(Arc::new(address));
        }
    }
    addresses
}

//! The addresses of an upstream: what its targets stand for.

use std::{net::SocketAddr, sync::Arc};

use gatewright_engine::Upstream;

use super::{Address, UpstreamState, names::Place};

/// What targets (in the order of the specification) stand for. The addresses of one share its weight,
/// so that a name with many does not get more than it should. Those that join others have to begin slowly,
/// where the specification says so; those that an upstream begins with do not: nobody else is there.
pub(super) fn members(
    spec: &Upstream,
    found: &[Vec<Place>],
    (state, join): (&Arc<UpstreamState>, bool),
) -> Vec<Arc<Address>> {
    let shared = found.iter().any(|places| places.len() > 1);
    let mut addresses = Vec::new();
    for (target, places) in spec.targets.iter().zip(found) {
        for place in places {
            let weight = match (shared, target.weight) {
                (false, weight) => weight,
                (true, 0) => 0,
                (true, weight) => share(weight, place, places),
            };
            let socket = SocketAddr::new(place.ip, place.port);
            let state = state.target(socket, join);
            let address = Address::new((spec, target), place, weight, state);
            addresses.push(Arc::new(address));
        }
    }
    addresses
}

/// The part of a target's weight that one of its places has among those of its rank. None that is there has
/// nothing (RFC 2782 wants a small chance for weight 0).
fn share(weight: u32, place: &Place, places: &[Place]) -> u32 {
    /// Divisible by each number up to 8, and small enough for any weight.
    const PARTS: u64 = 840;
    let rank = places.iter().filter(|it| it.rank == place.rank);
    let (count, total) = rank.fold((0_u64, 0_u64), |(count, total), it| {
        (count + 1, total + u64::from(it.share))
    });
    let whole = u64::from(weight) * PARTS;
    let part = match total {
        0 => whole / count.max(1),
        total => whole * u64::from(place.share) / total,
    };
    u32::try_from(part).unwrap_or(u32::MAX).max(1)
}

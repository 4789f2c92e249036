//! What a name stands for.

use std::{net::IpAddr, sync::Arc};

use gatewright_engine::Target;

/// One address that a target stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Where it comes among the places of its target: 0 is preferred.
    pub(crate) rank: u32,
    /// Its address.
    pub(crate) ip: IpAddr,
    /// Its port.
    pub(crate) port: u16,
    /// Its share of the target's weight, relative to the others of its rank.
    pub(crate) share: u32,
    /// The host that it is of; none is the target's own.
    pub(crate) host: Option<Arc<str>>,
}

impl Place {
    /// An address of a target, equal to its others.
    pub(crate) const fn of(target: &Target, ip: IpAddr) -> Self {
        Self {
            rank: 0,
            ip,
            port: target.port,
            share: 1,
            host: None,
        }
    }
}

/// The address that a target is written with, if it is not a name.
pub(crate) fn literal(target: &Target) -> Option<Place> {
    let ip = target.host.parse().ok()?;
    Some(Place::of(target, ip))
}

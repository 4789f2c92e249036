//! Whose requests count together.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv6Addr},
};

use http::HeaderName;

use crate::{Action, RequestContext, plugin::spelling::nearest};

const NAMES: [&str; 5] = [
    "consumer",
    "credential",
    "client_address",
    "route",
    "service",
];

/// One part of a key.
#[derive(Debug)]
pub(super) enum Part {
    /// Who it is from.
    Consumer,
    /// What proved it.
    Credential,
    /// Where it is from.
    ClientAddress,
    /// What it matched.
    Route,
    /// Where it goes.
    Service,
    /// All values of a field.
    Header(HeaderName),
}

impl Part {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("header:") {
            let name = HeaderName::from_bytes(name.as_bytes());
            return name
                .map(Self::Header)
                .map_err(|_| format!("`{text}` does not name a field"));
        }
        Ok(match text {
            "consumer" => Self::Consumer,
            "credential" => Self::Credential,
            "client_address" => Self::ClientAddress,
            "route" => Self::Route,
            "service" => Self::Service,
            _ => {
                let hint = nearest(text, NAMES).map(|known| format!("; `{known}` is one"));
                return Err(format!(
                    "`{text}` is not a part of a key{}",
                    hint.unwrap_or_default()
                ));
            }
        })
    }

    /// Hashes what the request has of it, or else the client's address. The tags keep a consumer named
    /// `10.0.0.1` apart from an address.
    pub(super) fn feed(&self, request: &RequestContext, ipv6_prefix: u8, state: &mut impl Hasher) {
        let name = match self {
            Self::Consumer => request.consumer.as_ref().map(|it| &*it.name),
            Self::Credential => request.credential.as_ref().map(|it| &*it.name),
            Self::Route => Some(&*request.route.name),
            Self::Service => match &request.route.action {
                Action::Forward(service) => Some(&*service.name),
                _ => None,
            },
            Self::ClientAddress => None,
            Self::Header(name) => {
                let values = request.headers.get_all(name);
                if values.iter().next().is_some() {
                    1_u8.hash(state);
                    values.iter().for_each(|value| value.as_bytes().hash(state));
                    return;
                }
                None
            }
        };
        if let Some(name) = name {
            (2_u8, name).hash(state);
        } else {
            (3_u8, network(request.client.address, ipv6_prefix)).hash(state);
        }
    }
}

/// An IPv4 address as it is, and of an IPv6 address the first bits.
fn network(address: IpAddr, ipv6_prefix: u8) -> IpAddr {
    let IpAddr::V6(address) = address.to_canonical() else {
        return address.to_canonical();
    };
    let dropped = 128_u32.saturating_sub(u32::from(ipv6_prefix));
    let mask = u128::MAX.checked_shl(dropped).unwrap_or(0);
    IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
}

//! How names of targets are looked up.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use gatewright_proto::v1::{self, DnsType};

use super::{Mistake, field};
use crate::dns::{DnsBy, DnsSpec};

/// Default of `dns_refresh_ms`.
const REFRESH_MS: u32 = 5_000;
const MIN_TTL_MS: u32 = 1_000;
const MAX_TTL_MS: u32 = 300_000;
const MAX_RESOLVERS: usize = 8;
const DNS_PORT: u16 = 53;

/// Where nothing is said of it.
pub(super) fn standard() -> DnsSpec {
    DnsSpec::system(milliseconds(REFRESH_MS))
}

/// Reads what an upstream says of it.
pub(super) fn spec(upstream: &v1::Upstream, mistakes: &mut Vec<Mistake>) -> DnsSpec {
    let refresh = upstream.dns_refresh_ms;
    field::within("dns_refresh_ms", refresh, 100..=3_600_000, mistakes);
    let system = DnsSpec::system(milliseconds(refresh.unwrap_or(REFRESH_MS)));
    let Some(discovery) = &upstream.discovery else {
        return system;
    };
    let (min, max) = (discovery.min_ttl_ms, discovery.max_ttl_ms);
    field::within("discovery.min_ttl_ms", min, 100..=3_600_000, mistakes);
    field::within("discovery.max_ttl_ms", max, 100..=86_400_000, mistakes);
    let bounds = (min.unwrap_or(MIN_TTL_MS), max.unwrap_or(MAX_TTL_MS));
    if bounds.0 > bounds.1 {
        let reason = format!("`{}` is less than the shortest, {}", bounds.1, bounds.0);
        mistakes.push(Mistake::value("discovery.max_ttl_ms", reason));
    }
    let resolvers = resolvers(&discovery.resolvers, mistakes);
    let max_stale = discovery.max_stale_ms.map(milliseconds);
    match DnsType::try_from(discovery.r#type) {
        Ok(DnsType::System) => {
            if !resolvers.is_empty() || min.or(max).is_some() {
                let reason =
                    "the system picks name servers and does not tell times; use `a` or `srv`";
                mistakes.push(Mistake::value("discovery.type", reason));
            }
            DnsSpec {
                max_stale,
                ..system
            }
        }
        Ok(DnsType::A | DnsType::Srv) => DnsSpec {
            by: DnsBy::Servers(resolvers),
            min_ttl: milliseconds(bounds.0),
            max_ttl: milliseconds(bounds.1),
            max_stale,
        },
        Err(_) => {
            let reason = format!("`{}` is not a type known here", discovery.r#type);
            mistakes.push(Mistake::value("discovery.type", reason));
            system
        }
    }
}

fn resolvers(given: &[String], mistakes: &mut Vec<Mistake>) -> Vec<SocketAddr> {
    if given.len() > MAX_RESOLVERS {
        let reason = format!("has {} servers; at most {MAX_RESOLVERS}", given.len());
        mistakes.push(Mistake::value("discovery.resolvers", reason));
    }
    let mut resolvers = Vec::new();
    for (place, text) in given.iter().enumerate() {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let ip = bare.parse::<IpAddr>();
        let ip = ip.map(|ip| SocketAddr::new(ip, DNS_PORT));
        match text.parse::<SocketAddr>().or(ip) {
            Ok(resolver) if resolver.port() != 0 => resolvers.push(resolver),
            _ => {
                let field = format!("discovery.resolvers[{place}]");
                let reason = format!("`{text}` is not an address, as `10.0.0.2` or `10.0.0.2:53`");
                mistakes.push(Mistake::value(field, reason));
            }
        }
    }
    resolvers
}

fn milliseconds(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

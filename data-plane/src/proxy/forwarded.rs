//! Who the client is, and telling the upstream (RFC 7239, `X-Forwarded-*`, `Via`).
//!
//! Forwarding fields are believed only from proxies that the settings name, by address or by number; from
//! anybody else they are replaced, so that nobody can pass for another.

use std::{net::IpAddr, sync::Arc};

use clap::ValueEnum;
use gatewright_engine::Client;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use ipnet::IpNet;

use super::{Proxy, seen::Seen};
use crate::exchange::Connection;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
// Constants, since making a value checks every byte of it.
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const VIA_2: HeaderValue = HeaderValue::from_static("2 gatewright");
const VIA_11: HeaderValue = HeaderValue::from_static("1.1 gatewright");
const VIA_10: HeaderValue = HeaderValue::from_static("1.0 gatewright");
/// Most addresses of a list that are looked at.
const MAX_ADDRESSES: usize = 64;

/// Which fields tell the upstream of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ForwardedFields {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// All of them.
    Both,
}

/// Whose forwarding fields are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Addresses of proxies in front; empty is any, if there are hops.
    pub proxies: Vec<IpNet>,
    /// Number of proxies in front; 0 is as many as have such addresses.
    pub hops: usize,
}

impl Proxy {
    /// Finds the client, and writes the fields for the upstream.
    pub(super) fn forwarded(
        &self,
        connection: &Connection,
        headers: &mut HeaderMap,
        seen: Seen,
    ) -> Client {
        let trusted = self.trust.believes(connection.peer.ip());
        let secure = match headers.get(PROTO).filter(|_| trusted) {
            Some(proto) => proto.as_bytes().eq_ignore_ascii_case(b"https"),
            None => connection.tls.is_some(),
        };
        let address = match trusted {
            true => self.trust.client(connection.peer.ip(), headers),
            false => connection.peer.ip().to_canonical(),
        };
        let tls = connection.tls.as_ref().map(|tls| Arc::clone(&tls.client));
        let client = Client {
            address,
            secure,
            tls,
        };
        if self.forwarded_fields != ForwardedFields::XForwarded {
            write_forwarded(connection, headers, trusted);
        } else if !trusted && seen.forwarded {
            headers.remove(header::FORWARDED);
        }
        if self.forwarded_fields != ForwardedFields::Forwarded {
            write_x_forwarded(connection, headers, trusted, secure);
        } else if !trusted {
            for name in [FOR, PROTO, HOST, PORT] {
                headers.remove(name);
            }
        }
        client
    }
}

fn write_x_forwarded(
    connection: &Connection,
    headers: &mut HeaderMap,
    trusted: bool,
    secure: bool,
) {
    if trusted && headers.contains_key(FOR) {
        headers.append(FOR, connection.peer_text.clone());
    } else {
        headers.insert(FOR, connection.peer_text.clone());
    }
    if !trusted || !headers.contains_key(HOST) {
        let host = headers.iter().find(|(name, _)| **name == header::HOST);
        match host.map(|(_, host)| host.clone()) {
            Some(host) => headers.insert(HOST, host),
            None => headers.remove(HOST),
        };
    }
    if !trusted || !headers.contains_key(PORT) {
        headers.insert(PORT, connection.port_text.clone());
    }
    headers.insert(PROTO, if secure { HTTPS } else { HTTP });
}

/// One more element of `Forwarded`; the first, from a peer that is not believed.
fn write_forwarded(connection: &Connection, headers: &mut HeaderMap, trusted: bool) {
    let proto = if connection.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let mut element = match connection.peer.ip().to_canonical() {
        IpAddr::V4(address) => format!("for={address};proto={proto}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\";proto={proto}"),
    };
    // The characters of a valid Host need no escape within quotes.
    if let Some(host) = headers.get(header::HOST).and_then(|it| it.to_str().ok()) {
        element.push_str(";host=\"");
        element.push_str(host);
        element.push('"');
    }
    let Ok(element) = HeaderValue::try_from(element) else {
        headers.remove(header::FORWARDED);
        return;
    };
    if trusted {
        headers.append(header::FORWARDED, element);
    } else {
        headers.insert(header::FORWARDED, element);
    }
}

impl Trust {
    /// Whether the peer is a proxy in front that is believed. Where addresses are given, a number does not
    /// make up for them.
    pub(super) fn believes(&self, peer: IpAddr) -> bool {
        if self.proxies.is_empty() {
            self.hops > 0
        } else {
            self.includes(peer)
        }
    }

    /// Whether it is one of the addresses of proxies in front.
    pub(crate) fn includes(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut proxies = self.proxies.iter();
        proxies.any(|network| network.contains(&address))
    }

    /// The client's address behind a trusted peer: past as many addresses from the right as there are
    /// hops (the peer is the first), and past all that are proxies in front.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut list: Vec<Option<IpAddr>> = Vec::new();
        for value in headers.get_all(FOR) {
            let text = value.to_str().unwrap_or_default();
            list.extend(text.split(',').map(|part| parse(part.trim())));
        }
        let from_right = list.iter().rev().take(MAX_ADDRESSES);
        if self.hops > 0 {
            // Fewer than there must be: the list is not what the proxies in front would send.
            let client = from_right.clone().nth(self.hops - 1).copied().flatten();
            return client.unwrap_or(peer).to_canonical();
        }
        let mut client = peer;
        for address in from_right {
            if !self.includes(client) {
                break;
            }
            let Some(address) = address else { break };
            client = *address;
        }
        client.to_canonical()
    }
}

/// An address, also with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
    bare.parse().ok().or_else(with_port)
}

/// Notes that the message has passed here, and in which version it came (RFC 9110, 7.6.3).
pub(crate) fn add_via(headers: &mut HeaderMap, version: Version) {
    let via = match version {
        Version::HTTP_2 => VIA_2,
        Version::HTTP_10 => VIA_10,
        _ => VIA_11,
    };
    headers.append(header::VIA, via);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "203.0.113.128, 203.0.113.10, 203.0.113.1";

    fn client(trust: &Trust, peer: &str, list: &str) -> String {
        let mut headers = HeaderMap::new();
        if !list.is_empty() {
            headers.insert(FOR, list.parse().unwrap());
        }
        trust.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn by_number_the_client_is_the_nth_from_the_right() {
        let hops = |hops| Trust {
            hops,
            ..Trust::default()
        };
        assert_eq!(client(&hops(2), "192.0.2.5", LIST), "203.0.113.10");
        assert_eq!(client(&hops(1), "192.0.2.5", LIST), "203.0.113.1");
        assert_eq!(
            client(&hops(4), "192.0.2.5", LIST),
            "192.0.2.5",
            "fewer than there must be"
        );
        assert_eq!(client(&hops(1), "10.20.30.40", ""), "10.20.30.40");
        // The list as the first proxy hands it on.
        let longer = format!("{LIST}, 192.0.2.5");
        assert_eq!(client(&hops(1), "10.11.12.13", &longer), "192.0.2.5");
        assert_eq!(client(&hops(3), "10.11.12.13", &longer), "203.0.113.10");
    }

    #[test]
    fn by_address_the_client_is_the_first_that_is_no_proxy_in_front() {
        let trust = Trust {
            proxies: vec![
                "10.0.0.0/8".parse().unwrap(),
                "203.0.113.1/32".parse().unwrap(),
            ],
            hops: 0,
        };
        assert_eq!(client(&trust, "10.1.1.1", LIST), "203.0.113.10");
        assert_eq!(client(&trust, "10.1.1.1", "1.2.3.4, nonsense"), "10.1.1.1");
        assert_eq!(client(&trust, "::ffff:10.1.1.1", "1.2.3.4:80"), "1.2.3.4");
    }

    #[test]
    fn a_peer_is_believed_by_address_where_addresses_are_given() {
        let trust = |proxies: &[&str], hops| Trust {
            proxies: proxies.iter().map(|it| it.parse().unwrap()).collect(),
            hops,
        };
        let peer = "192.0.2.5".parse().unwrap();
        assert!(!trust(&[], 0).believes(peer));
        assert!(trust(&[], 1).believes(peer));
        assert!(trust(&["192.0.2.0/24"], 0).believes(peer));
        assert!(!trust(&["10.0.0.0/8"], 1).believes(peer));
    }
}

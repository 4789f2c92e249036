//! Writing a header.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use gatewright_proto::v1::ProxyProtocol;

use super::{Ends, SIGNATURE};

/// The header for a connection: of this client, or without one, of the gateway itself, as for a health check. Empty where
/// the protocol is off.
pub(crate) fn header(version: ProxyProtocol, ends: Option<&Ends>) -> Vec<u8> {
    let ends = ends.map(|ends| same_family(ends.source, ends.destination));
    match version {
        ProxyProtocol::Off => Vec::new(),
        ProxyProtocol::V1 => version1(ends).into_bytes(),
        ProxyProtocol::V2 => version2(ends),
    }
}

fn version1(ends: Option<(SocketAddr, SocketAddr)>) -> String {
    let Some((source, destination)) = ends else {
        return "PROXY UNKNOWN\r\n".to_owned();
    };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
}

fn version2(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some((source, destination)) = ends else {
        header.extend([0x20, 0x00, 0, 0]);
        return header;
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header.extend([0x21, 0x11, 0, 12]);
            header.extend(source.octets());
            header.extend(destination.octets());
        }
        (source, destination) => {
            header.extend([0x21, 0x21, 0, 36]);
            header.extend(mapped(source).octets());
            header.extend(mapped(destination).octets());
        }
    }
    header.extend(source.port().to_be_bytes());
    header.extend(destination.port().to_be_bytes());
    header
}

/// Both as IPv4 where they are, else both as IPv6.
fn same_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let (source, destination) = (plain(source), plain(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let six = |end: SocketAddr| SocketAddr::new(mapped(end.ip()).into(), end.port());
    (six(source), six(destination))
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

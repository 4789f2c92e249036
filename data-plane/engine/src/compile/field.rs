//! Values of fields: hosts, addresses, URLs, times.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Mistake;
use crate::route::Host;

/// Checks that a number is within a range.
pub(super) fn within(
    field: &str,
    value: Option<u32>,
    range: std::ops::RangeInclusive<u32>,
    mistakes: &mut Vec<Mistake>,
) {
    if let Some(value) = value.filter(|value| !range.contains(value)) {
        let reason = format!(
            "`{value}` is not within {} to {}",
            range.start(),
            range.end()
        );
        mistakes.push(Mistake::value(field, reason));
    }
}

/// Reads a host that a route or certificate is for: exact, or with one leading wildcard label.
pub(super) fn host(text: &str) -> Result<Host, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(suffix) = lower.strip_prefix("*.") {
        if is_name(suffix) {
            return Ok(Host::Wildcard(suffix.into()));
        }
    } else if is_host(&lower) {
        return Ok(Host::Exact(lower.into()));
    }
    Err(format!(
        "`{text}` is not a host name; as `api.example.com` or `*.example.com`, without a port"
    ))
}

/// Whether a text is a host name or an address, IPv6 in brackets.
pub(super) fn is_host(text: &str) -> bool {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<Ipv4Addr>().is_ok() || is_name(text),
    }
}

/// RFC 1123, 2.1, and underscores, which internal names have.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

/// Reads `host:port`; the host without brackets.
pub(super) fn address(text: &str) -> Result<(Box<str>, u16), String> {
    let wrong = || format!("`{text}` is not an address; as `host:port` or `[::1]:port`");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if port == 0 || !is_host(host) {
        return Err(wrong());
    }
    Ok((bare(host), port))
}

/// A host without the brackets of an IPv6 address.
pub(super) fn bare(host: &str) -> Box<str> {
    host.trim_start_matches('[').trim_end_matches(']').into()
}

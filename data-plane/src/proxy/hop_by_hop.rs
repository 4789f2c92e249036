//! Fields that are for one connection only (RFC 9110, 7.6.1).

use gatewright_engine::{Code, Rejection};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::seen::Seen;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Always for one connection. (What `Content-Length` says belongs to the codecs.)
const FIXED: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::UPGRADE,
    header::TRANSFER_ENCODING,
    HTTP2_SETTINGS,
];

/// What the gateway says of its requests to targets. Clients cannot say it.
const OWN: [HeaderName; 2] = [crate::mirror::MARK, crate::forward::ATTEMPT_COUNT];

/// Removes them from a request, those that `Connection` nominates too. `TE` stays where it says
/// `trailers`.
///
/// # Errors
/// `Connection` nominates a field on which routing or protection rests: somebody tries to have
/// it taken away.
pub(super) fn strip_request(headers: &mut HeaderMap, seen: Seen) -> Result<(), Rejection> {
    if seen.own {
        for name in OWN {
            headers.remove(name);
        }
    }
    if !seen.hop_by_hop {
        return Ok(());
    }
    let nominated = nominated(headers);
    if let Some(name) = nominated.iter().find(|name| is_end_to_end(name)) {
        let detail = format!("`Connection` must not name `{name}`");
        return Err(Rejection::new(Code::BadRequest, detail));
    }
    for name in &nominated {
        headers.remove(name);
    }
    for name in FIXED {
        headers.remove(name);
    }
    if let Some(codings) = headers.remove(header::TE) {
        let mut codings = codings.to_str().unwrap_or_default().split(',');
        if codings.any(|it| it.trim().eq_ignore_ascii_case("trailers")) {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    Ok(())
}

/// Removes them from a response. What an upstream nominates wrongly stays.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    // One pass over few names, where most messages have none of these, is cheaper than nine lookups.
    if !headers.keys().any(|name| is_hop_by_hop(name.as_str())) {
        return;
    }
    for name in nominated(headers) {
        if !is_end_to_end(&name) {
            headers.remove(name);
        }
    }
    for name in FIXED {
        headers.remove(name);
    }
    headers.remove(header::TE);
}

pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "te" | "upgrade"
            | "connection"
            | "keep-alive"
            | "http2-settings"
            | "proxy-connection"
            | "transfer-encoding"
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

/// What `Connection` names, but for `TE` and `Upgrade`, which are dealt with by themselves.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut names = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let words = value.to_str().unwrap_or_default().split(',').map(str::trim);
        for word in words {
            // By far the most common words, which name no field.
            if word.eq_ignore_ascii_case("keep-alive") || word.eq_ignore_ascii_case("close") {
                continue;
            }
            let name = HeaderName::from_bytes(word.as_bytes());
            names.extend(name.ok().filter(|name| *name != header::TE));
        }
    }
    names
}

/// Fields that are for the upstream, or that a policy may rest on.
fn is_end_to_end(name: &HeaderName) -> bool {
    const KEPT: [HeaderName; 14] = [
        header::HOST,
        header::AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CACHE_CONTROL,
        header::FORWARDED,
        header::VIA,
        header::ORIGIN,
        header::RANGE,
        header::EXPECT,
        header::TRAILER,
    ];
    KEPT.contains(name) || name.as_str().starts_with("x-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        fields.iter().map(pair).collect()
    }

    #[test]
    fn what_is_for_one_connection_goes_and_the_rest_stays() {
        let mut map = headers(&[
            ("connection", "close, Hop"),
            ("hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ]);
        let seen = Seen::of(&map);
        strip_request(&mut map, seen).unwrap();
        assert_eq!(map, headers(&[("te", "trailers"), ("accept", "*/*")]));
    }

    #[test]
    fn every_fixed_field_is_noticed() {
        for name in FIXED.iter().chain([&header::TE]) {
            assert!(is_hop_by_hop(name.as_str()), "{name}");
        }
    }

    #[test]
    fn a_field_that_protection_rests_on_cannot_be_nominated() {
        for name in ["Authorization", "x-api-key", "X-Forwarded-For", "host"] {
            let mut map = HeaderMap::new();
            map.insert("connection", HeaderValue::from_str(name).unwrap());
            let seen = Seen::of(&map);
            let rejection = strip_request(&mut map, seen).unwrap_err();
            assert_eq!(rejection.code, Code::BadRequest, "{name}");
        }
    }

    #[test]
    fn an_upstream_cannot_have_an_end_to_end_field_taken_away() {
        let mut map = headers(&[
            ("connection", "set-cookie, hop"),
            ("set-cookie", "a=b"),
            ("hop", "1"),
            ("keep-alive", "1"),
        ]);
        strip_response(&mut map);
        assert_eq!(map, headers(&[("set-cookie", "a=b")]));
    }
}

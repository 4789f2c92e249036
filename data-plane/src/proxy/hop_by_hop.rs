//! Fields that are for one connection only (RFC 9110, 7.6.1).

use gatewright_engine::{Code, Rejection};
use http::{HeaderMap, HeaderName, HeaderValue, header};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Always for one connection. (`Transfer-Encoding` and `Content-Length` belong to the codecs.)
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

/// Removes them from a request or response, those that `Connection` nominates too. `TE` stays where it
/// says `trailers`.
///
/// # Errors
/// `Connection` nominates a field on which routing or protection rests: somebody tries to have
/// it taken away.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) -> Result<(), Rejection> {
    if headers.contains_key(header::CONNECTION) {
        let nominated = nominated(headers)?;
        for name in nominated {
            headers.remove(name);
        }
    }
    for name in FIXED {
        headers.remove(name);
    }
    if let Some(codings) = headers.remove(header::TE) {
        let trailers = codings.to_str().unwrap_or_default().split(',');
        if trailers
            .into_iter()
            .any(|it| it.trim().eq_ignore_ascii_case("trailers"))
        {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    Ok(())
}

fn nominated(headers: &HeaderMap) -> Result<Vec<HeaderName>, Rejection> {
    let mut names = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let Ok(text) = value.to_str() else { continue };
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let Ok(name) = HeaderName::from_bytes(word.as_bytes()) else {
                continue;
            };
            if is_end_to_end(&name) {
                let detail = format!("`Connection` must not name `{name}`");
                return Err(Rejection::new(Code::BadRequest, detail));
            }
            // Dealt with where TE is.
            if name != header::TE {
                names.push(name);
            }
        }
    }
    Ok(names)
}

fn is_end_to_end(name: &HeaderName) -> bool {
    const KEPT: [HeaderName; 9] = [
        header::HOST,
        header::AUTHORIZATION,
        header::COOKIE,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CACHE_CONTROL,
        header::FORWARDED,
        header::VIA,
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
        remove_hop_by_hop(&mut map).unwrap();
        assert_eq!(map, headers(&[("te", "trailers"), ("accept", "*/*")]));
    }

    #[test]
    fn a_field_that_protection_rests_on_cannot_be_nominated() {
        for name in ["Authorization", "x-api-key", "X-Forwarded-For", "host"] {
            let mut map = HeaderMap::new();
            map.insert("connection", HeaderValue::from_str(name).unwrap());
            let rejection = remove_hop_by_hop(&mut map).unwrap_err();
            assert_eq!(rejection.code, Code::BadRequest, "{name}");
        }
    }
}

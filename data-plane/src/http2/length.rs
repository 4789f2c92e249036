//! `Content-Length`, which in HTTP/2 frames nothing and still must be true (RFC 9113, 8.1.1).

use http::{HeaderMap, HeaderValue, header};

/// What the fields announce.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Makes them say what is so, or nothing where it is not known.
pub(super) fn announce(headers: &mut HeaderMap, length: Option<u64>) {
    match length {
        None => {
            headers.remove(header::CONTENT_LENGTH);
        }
        // Most came with the message, and need no new value.
        Some(length) if announced(headers) == Some(length) => {}
        Some(length) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
}

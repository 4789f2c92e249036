//! The id that a request has in logs, in answers and upstream.

use http::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng as _;

use super::Proxy;
use crate::exchange::Connection;

/// Its field.
pub(super) const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over.
const MAX_BYTES: usize = 128;

impl Proxy {
    /// That of a trusted proxy in front, or a fresh one.
    pub(super) fn request_id(&self, connection: &Connection, headers: &HeaderMap) -> HeaderValue {
        if self.trust.believes(connection.peer.ip())
            && let Some(given) = headers.get(NAME)
            && (1..=MAX_BYTES).contains(&given.len())
            && given.as_bytes().iter().all(u8::is_ascii_graphic)
        {
            return given.clone();
        }
        fresh()
    }
}

/// 128 random bits in hexadecimal.
pub(super) fn fresh() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random: [u8; 16] = rand::rng().random();
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).expect("digits are visible ASCII")
}

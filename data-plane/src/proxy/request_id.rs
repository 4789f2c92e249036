//! The id that a request has in logs, in answers and upstream.

use std::cell::Cell;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng as _;

use super::Proxy;
use crate::exchange::Connection;

/// Its field.
pub(crate) const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over.
const MAX_BYTES: usize = 128;
/// 128 bits in hexadecimal.
const BYTES: usize = 32;
/// How many are made at a time: they share one allocation, and an id is copied without another.
const BATCH: usize = 16;

thread_local! {
    /// Those that are left of a batch.
    static READY: Cell<Bytes> = const { Cell::new(Bytes::new()) };
}

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
    let mut ready = READY.take();
    if ready.is_empty() {
        ready = batch();
    }
    let id = ready.split_to(BYTES);
    READY.set(ready);
    HeaderValue::from_maybe_shared(id).expect("digits are visible ASCII")
}

fn batch() -> Bytes {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random: [u8; BATCH * BYTES / 2] = rand::rng().random();
    let mut text = [0; BATCH * BYTES];
    for (pair, byte) in text.chunks_exact_mut(2).zip(random) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    Bytes::copy_from_slice(&text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{BATCH, BYTES, fresh};

    #[test]
    fn no_two_ids_are_equal() {
        let ids: Vec<_> = (0..3 * BATCH).map(|_| fresh()).collect();
        let all: HashSet<&[u8]> = ids.iter().map(|id| id.as_bytes()).collect();
        assert_eq!(all.len(), ids.len());
        let digits = |id: &&[u8]| id.len() == BYTES && id.iter().all(u8::is_ascii_hexdigit);
        assert!(all.iter().all(digits));
    }
}

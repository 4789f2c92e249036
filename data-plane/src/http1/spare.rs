//! Header maps that are used again: one with room for a message is four allocations, and each exchange
//! needs two.

use std::cell::RefCell;

use http::HeaderMap;

/// Maps kept by a thread.
const MAX_SPARE: usize = 64;
/// A map with room for more fields than this is not kept: most messages have fewer.
const MAX_FIELDS: usize = 128;

thread_local! {
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty map with room for this many fields.
pub(super) fn with_room(fields: usize) -> HeaderMap {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    match spare {
        Some(map) if map.capacity() >= fields => map,
        _ => HeaderMap::with_capacity(fields),
    }
}

/// Keeps a map that nobody needs any more. What is in it is dropped now.
pub(crate) fn keep(mut map: HeaderMap) {
    if !(1..=MAX_FIELDS).contains(&map.capacity()) {
        return;
    }
    map.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MAX_SPARE {
            spare.push(map);
        }
    });
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{MAX_FIELDS, MAX_SPARE, SPARE, keep, with_room};

    #[test]
    fn a_map_that_is_used_again_has_room_and_nothing_in_it() {
        let mut map = HeaderMap::with_capacity(20);
        map.append(header::COOKIE, HeaderValue::from_static("a=b"));
        map.append(header::COOKIE, HeaderValue::from_static("c=d"));
        keep(map);
        let again = with_room(20);
        assert!(again.is_empty() && again.capacity() >= 20);
        assert_eq!(again, HeaderMap::new());
        keep(again);
        assert!(with_room(60).capacity() >= 60);
    }

    #[test]
    fn few_maps_are_kept_and_no_large_ones() {
        keep(HeaderMap::new());
        keep(HeaderMap::with_capacity(2 * MAX_FIELDS));
        assert_eq!(SPARE.with_borrow(Vec::len), 0);
        for _ in 0..2 * MAX_SPARE {
            keep(HeaderMap::with_capacity(8));
        }
        assert_eq!(SPARE.with_borrow(Vec::len), MAX_SPARE);
    }
}

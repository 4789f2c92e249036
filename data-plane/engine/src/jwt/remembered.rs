//! What was found of tokens, for as long as they are valid.
//!
//! A table of fixed size that is read without a lock: a token has eight places, told by its digest, and what is
//! remembered last takes a place that is free, or else one of them by turns. Whoever asks says for which keys:
//! what was found with others counts for nothing, so that keys that are gone take their tokens with them.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};

/// Places that a token may be at.
const WAYS: usize = 8;

/// SHA-256 of a token, maybe under a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// That of a token.
    pub fn of(token: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token).as_ref());
        Self(bytes)
    }

    /// HMAC of a token: for tokens that may be guessed, as opaque ones may. Two keys, two digests.
    pub fn keyed(key: &hmac::Key, token: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let tag = hmac::sign(key, token);
        for (byte, its) in bytes.iter_mut().zip(tag.as_ref()) {
            *byte = *its;
        }
        Self(bytes)
    }

    /// Tells tokens apart well enough to look. Never zero, which is a free place.
    fn tag(&self) -> u64 {
        self.part(0) | 1
    }

    fn part(&self, index: usize) -> u64 {
        let mut part = [0; 8];
        part.copy_from_slice(&self.0[index * 8..][..8]);
        u64::from_le_bytes(part)
    }
}

impl fmt::Debug for TokenDigest {
    /// Without the bytes: who has them can look for the token in logs of others.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenDigest")
    }
}

/// What was found of tokens. `K` are the keys that it was found with, `T` is what was found.
pub struct Remembered<K, T> {
    /// Made when something is remembered first.
    sets: OnceLock<Box<[Set<K, T>]>>,
    count: usize,
    turn: AtomicU64,
}

struct Set<K, T> {
    tags: [AtomicU64; WAYS],
    entries: [ArcSwapOption<Entry<K, T>>; WAYS],
}

struct Entry<K, T> {
    digest: TokenDigest,
    keys: Arc<K>,
    /// The first second in which it no longer counts.
    until: u64,
    found: Arc<T>,
}

impl<K, T> Remembered<K, T> {
    /// Room for about this many tokens; for none where it is 0.
    pub const fn new(tokens: usize) -> Self {
        let sets = tokens.div_ceil(WAYS);
        Self {
            sets: OnceLock::new(),
            count: if sets == 0 {
                0
            } else {
                sets.next_power_of_two()
            },
            turn: AtomicU64::new(0),
        }
    }

    /// What was found with these keys, if it still counts. `now` is in seconds since 1970.
    pub fn get(&self, digest: &TokenDigest, keys: &Arc<K>, now: u64) -> Option<Arc<T>> {
        let set = self.set(self.sets.get()?, digest);
        let tag = digest.tag();
        for (its, entry) in set.tags.iter().zip(&set.entries) {
            if its.load(Ordering::Acquire) != tag {
                continue;
            }
            let entry = entry.load();
            if let Some(entry) = &*entry
                && entry.digest == *digest
                && Arc::ptr_eq(&entry.keys, keys)
                && now < entry.until
            {
                return Some(Arc::clone(&entry.found));
            }
        }
        None
    }

    /// Remembers what was found with these keys until `until`, in seconds since 1970.
    pub fn put(&self, digest: TokenDigest, keys: &Arc<K>, until: u64, found: Arc<T>) {
        if self.count == 0 {
            return;
        }
        let sets = self
            .sets
            .get_or_init(|| (0..self.count).map(|_| Set::new()).collect());
        let (set, tag) = (self.set(sets, &digest), digest.tag());
        let at = |wanted: u64| {
            let mut tags = set.tags.iter();
            tags.position(|its| its.load(Ordering::Relaxed) == wanted)
        };
        let place = at(tag).or_else(|| at(0)).unwrap_or_else(|| {
            // Whichever is next: who is asked for often is soon back.
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            usize::try_from(turn % WAYS as u64).unwrap_or(0)
        });
        let entry = Entry {
            digest,
            keys: Arc::clone(keys),
            until,
            found,
        };
        set.entries[place].store(Some(Arc::new(entry)));
        set.tags[place].store(tag, Ordering::Release);
    }

    fn set<'s>(&self, sets: &'s [Set<K, T>], digest: &TokenDigest) -> &'s Set<K, T> {
        let mask = self.count as u64 - 1;
        let index = usize::try_from(digest.part(1) & mask).unwrap_or(0);
        &sets[index]
    }
}

impl<K, T> Set<K, T> {
    fn new() -> Self {
        Self {
            tags: Default::default(),
            entries: Default::default(),
        }
    }
}

impl<K, T> fmt::Debug for Remembered<K, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Remembered")
            .field("sets", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Remembered, TokenDigest};

    #[test]
    fn what_was_found_counts_for_its_token_its_keys_and_its_time() {
        let remembered = Remembered::new(100);
        let (keys, others) = (Arc::new("a"), Arc::new("a"));
        let token = TokenDigest::of(b"token");
        assert!(remembered.get(&token, &keys, 5).is_none());
        remembered.put(token, &keys, 10, Arc::new(1));
        assert_eq!(remembered.get(&token, &keys, 9).as_deref(), Some(&1));
        assert!(
            remembered.get(&token, &keys, 10).is_none(),
            "it has expired"
        );
        assert!(remembered.get(&token, &others, 9).is_none(), "other keys");
        assert!(
            remembered
                .get(&TokenDigest::of(b"tokem"), &keys, 9)
                .is_none()
        );
        remembered.put(token, &others, 20, Arc::new(2));
        assert_eq!(remembered.get(&token, &others, 15).as_deref(), Some(&2));
        assert!(
            remembered.get(&token, &keys, 9).is_none(),
            "it was replaced"
        );
    }

    #[test]
    fn room_is_bounded_and_the_newest_has_its_place() {
        let (remembered, keys) = (Remembered::new(64), Arc::new(()));
        for number in 0..10_000_u32 {
            let token = TokenDigest::of(&number.to_le_bytes());
            remembered.put(token, &keys, 10, Arc::new(number));
            assert_eq!(remembered.get(&token, &keys, 0).as_deref(), Some(&number));
        }
        let kept = (0..10_000_u32).filter(|number| {
            let token = TokenDigest::of(&number.to_le_bytes());
            remembered.get(&token, &keys, 0).is_some()
        });
        assert_eq!(kept.count(), 64);
    }

    #[test]
    fn without_room_nothing_is_remembered() {
        let (remembered, keys) = (Remembered::new(0), Arc::new(()));
        let token = TokenDigest::of(b"token");
        remembered.put(token, &keys, 10, Arc::new(1));
        assert!(remembered.get(&token, &keys, 0).is_none());
    }
}

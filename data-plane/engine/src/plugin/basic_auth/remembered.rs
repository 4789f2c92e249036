//! Passwords that were verified lately, so that not every request pays for a hash.
//!
//! Neither passwords nor their plain digests are kept: an entry is an HMAC under a key that this process
//! has made up. It is of the password and the hash it was compared with, so that a changed password or a
//! changed credential is another entry. Reading takes no lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use aws_lc_rs::{hmac, rand::SystemRandom};
use papaya::HashMap;

/// Most entries of one generation; there are two, of either outcome.
const MAX_ENTRIES: usize = 10_000;

/// A password together with the hash it was compared with.
pub(super) type Entry = [u8; 32];

/// What was verified lately.
#[derive(Debug)]
pub(super) struct Remembered {
    key: hmac::Key,
    /// Apart, so that a flood of wrong passwords pushes no right one out.
    right: Generations,
    wrong: Generations,
}

impl Default for Remembered {
    fn default() -> Self {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random);
        Self {
            key: key.expect("the system has randomness"),
            right: Generations::default(),
            wrong: Generations::default(),
        }
    }
}

impl Remembered {
    pub(super) fn entry(&self, username: &str, hash: &str, password: &[u8]) -> Entry {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [username.as_bytes(), hash.as_bytes(), password] {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut entry = [0; 32];
        entry.copy_from_slice(context.sign().as_ref());
        entry
    }

    /// The outcome of a comparison that is not older than this.
    pub(super) fn outcome(&self, entry: &Entry, max_age: Duration) -> Option<bool> {
        let fresh = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < max_age);
        if fresh(self.right.get(entry)) {
            return Some(true);
        }
        fresh(self.wrong.get(entry)).then_some(false)
    }

    pub(super) fn remember(&self, entry: Entry, outcome: bool) {
        match outcome {
            true => self.right.insert(entry),
            false => self.wrong.insert(entry),
        }
    }
}

/// The newest entries and the ones before. Where there are too many, the newest become the ones before.
#[derive(Debug, Default)]
struct Generations(ArcSwap<Pair>);

#[derive(Debug, Default)]
struct Pair {
    young: Arc<Generation>,
    old: Arc<Generation>,
}

#[derive(Debug, Default)]
struct Generation {
    entries: HashMap<Entry, Instant>,
    count: AtomicUsize,
}

impl Generations {
    fn get(&self, entry: &Entry) -> Option<Instant> {
        let pair = self.0.load();
        let young = pair.young.entries.pin().get(entry).copied();
        young.or_else(|| pair.old.entries.pin().get(entry).copied())
    }

    fn insert(&self, entry: Entry) {
        let pair = self.0.load_full();
        pair.young.entries.pin().insert(entry, Instant::now());
        if pair.young.count.fetch_add(1, Ordering::Relaxed) + 1 == MAX_ENTRIES {
            self.0.store(Arc::new(Pair {
                young: Arc::default(),
                old: Arc::clone(&pair.young),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MAX_ENTRIES, Remembered};

    const AGE: Duration = Duration::from_secs(3600);

    #[test]
    fn an_outcome_is_of_one_user_one_hash_and_one_password() {
        let remembered = Remembered::default();
        let entry = remembered.entry("alice", "hash", b"password");
        remembered.remember(entry, true);
        assert_eq!(remembered.outcome(&entry, AGE), Some(true));
        for (user, hash, password) in [
            ("alic", "ehash", "password"),
            ("alice", "hash2", "password"),
            ("alice", "hash", "passwore"),
        ] {
            let other = remembered.entry(user, hash, password.as_bytes());
            assert_eq!(remembered.outcome(&other, AGE), None);
        }
        assert_eq!(remembered.outcome(&entry, Duration::ZERO), None);
        assert_ne!(
            Remembered::default().entry("alice", "hash", b"password"),
            entry
        );
    }

    #[test]
    fn a_flood_of_wrong_passwords_is_bounded_and_pushes_no_right_one_out() {
        let remembered = Remembered::default();
        let right = remembered.entry("alice", "hash", b"password");
        remembered.remember(right, true);
        let entry = |number: usize| remembered.entry("alice", "hash", &number.to_le_bytes());
        for number in 0..3 * MAX_ENTRIES {
            remembered.remember(entry(number), false);
        }
        assert_eq!(remembered.outcome(&right, AGE), Some(true));
        assert_eq!(remembered.outcome(&entry(0), AGE), None);
        assert_eq!(
            remembered.outcome(&entry(3 * MAX_ENTRIES - 1), AGE),
            Some(false)
        );
    }
}

//! What was used of a limit, by key: bounded, shared by all cores, and kept over configurations.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    sync::{Mutex, OnceLock, PoisonError},
};

use smallvec::SmallVec;

use super::gcra::Quota;

/// Parts with a lock each, so that cores seldom meet.
const SHARDS: usize = 16;
/// Fewest keys in a shard before the expired ones are looked for.
const MIN_SWEEP: usize = 64;
/// Share of a full shard that is forgotten at once: finding them costs a pass over all.
const EVICTED_SHARE: usize = 8;

/// What was used, by key.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Made by the first request: many instances never see one.
    shards: OnceLock<Box<[Mutex<Shard>]>>,
    /// Two secret hash functions of 64 bits make keys that nobody can make collide.
    hashers: [RandomState; 2],
}

#[derive(Debug, Default)]
struct Shard {
    keys: HashMap<u128, Times, BuildHasherDefault<Hashed>>,
    next_sweep: usize,
}

/// When the bucket of each window is full again.
type Times = SmallVec<[u64; 2]>;

/// What came of a request.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The window that it must wait for longest, and how long in nanoseconds. Then nothing was charged.
    pub(super) refused: Option<(usize, u64)>,
    /// By window, after this request.
    pub(super) standings: SmallVec<[Standing; 2]>,
}

/// Where a key stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) remaining: u64,
    pub(super) full_after_ns: u64,
}

impl Store {
    /// Hashes a key.
    pub(super) fn hash(&self, key: &KeyBytes) -> u128 {
        let [one, other] = self.hashers.each_ref().map(|hashers| {
            let mut hasher = hashers.build_hasher();
            hasher.write(&key.0);
            u128::from(hasher.finish())
        });
        one << 64 | other
    }

    /// Checks all windows and then charges all.
    pub(super) fn charge(&self, key: u128, quotas: &[Quota], max_keys: usize, now: u64) -> Verdict {
        let shards = self
            .shards
            .get_or_init(|| (0..SHARDS).map(|_| Mutex::default()).collect());
        let shard = &shards[(key >> 124) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = shard.keys.get_mut(&key) {
            return charge(times, quotas, now);
        }
        shard.make_room(max_keys / SHARDS, now);
        charge(shard.keys.entry(key).or_default(), quotas, now)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.get().map_or(&[][..], |shards| shards);
        shards
            .iter()
            .map(|shard| shard.lock().unwrap().keys.len())
            .sum()
    }
}

fn charge(times: &mut Times, quotas: &[Quota], now: u64) -> Verdict {
    times.resize(quotas.len(), 0);
    let mut next = Times::new();
    let mut refused: Option<(usize, u64)> = None;
    for (window, (full_at, quota)) in times.iter().zip(quotas).enumerate() {
        match quota.check(*full_at, now) {
            Ok(time) => next.push(time),
            Err(wait) if refused.is_none_or(|(_, longest)| wait > longest) => {
                refused = Some((window, wait));
            }
            Err(_) => {}
        }
    }
    if refused.is_none() {
        *times = next;
    }
    let standing = |(full_at, quota): (&u64, &Quota)| Standing {
        remaining: quota.remaining(*full_at, now),
        full_after_ns: quota.full_after(*full_at, now),
    };
    let standings = times.iter().zip(quotas).map(standing).collect();
    Verdict { refused, standings }
}

impl Shard {
    /// Makes sure that one more key fits. Passes over all keys are as rare as they are long, so that
    /// an insertion costs a constant number of steps on average.
    fn make_room(&mut self, capacity: usize, now: u64) {
        let capacity = capacity.max(1);
        if self.keys.len() < self.next_sweep.max(MIN_SWEEP).min(capacity) {
            return;
        }
        let used = |times: &Times| times.iter().copied().max().unwrap_or(0);
        self.keys.retain(|_, times| used(times) > now);
        if self.keys.len() >= capacity {
            let mut all: Vec<u64> = self.keys.values().map(used).collect();
            let evicted = self.keys.len() - capacity + capacity.div_ceil(EVICTED_SHARE);
            let last = evicted.min(all.len()) - 1;
            let limit = *all.select_nth_unstable(last).1;
            self.keys.retain(|_, times| used(times) > limit);
        }
        self.keys.shrink_to(self.keys.len() * 2);
        self.next_sweep = self.keys.len() * 2;
    }
}

/// What a key is made of, gathered first: hash functions are cheaper in one piece than in many.
#[derive(Debug, Default)]
pub(super) struct KeyBytes(SmallVec<[u8; 64]>);

impl Hasher for KeyBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Of no use: it is bytes that are gathered.
    fn finish(&self) -> u64 {
        0
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.hash(self);
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

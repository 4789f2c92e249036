//! How many of the last requests were of a kind: counted exactly, over a sliding window in ten parts.
//!
//! An average that decays with time is not good enough here: weighted by the time between requests, a tight
//! burst of successes hides a total outage.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Parts of a window.
const BUCKETS: usize = 10;
/// Bits of each of the two counts of a bucket; the rest is the number of its time.
const COUNT_BITS: u32 = 20;
const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
const EPOCHS: u64 = 1 << (64 - 2 * COUNT_BITS);

/// Requests of the last so many seconds, and how many of them are marked. The newest tenth of the window
/// is still being filled. A few atomics; no lock.
#[derive(Debug)]
pub struct Window {
    bucket_ms: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests.
    pub total: u64,
    /// Those that are marked.
    pub marked: u64,
}

impl Counted {
    /// Whether the marked are at least this many percent.
    pub const fn reaches(self, percent: u32) -> bool {
        self.marked * 100 >= self.total * percent as u64
    }

    /// The share of the marked, 0 to 1; 0 without requests.
    pub fn ratio(self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.marked as f64 / total as f64,
        }
    }
}

/// One part, in a word, so that it changes as a whole.
#[derive(Clone, Copy)]
struct Bucket {
    epoch: u64,
    total: u64,
    marked: u64,
}

impl Bucket {
    const fn unpack(word: u64) -> Self {
        Self {
            epoch: word >> (2 * COUNT_BITS),
            total: (word >> COUNT_BITS) & MAX_COUNT,
            marked: word & MAX_COUNT,
        }
    }

    const fn pack(self) -> u64 {
        self.epoch << (2 * COUNT_BITS) | self.total << COUNT_BITS | self.marked
    }

    /// One more. A full one is halved: the share stays what it is.
    const fn add(self, marked: bool) -> Self {
        let halved = (self.total == MAX_COUNT) as u32;
        Self {
            epoch: self.epoch,
            total: (self.total >> halved) + 1,
            marked: (self.marked >> halved) + marked as u64,
        }
    }
}

impl Window {
    /// Of this length, at least 10 ms.
    pub fn new(length: Duration) -> Self {
        Self {
            bucket_ms: AtomicU64::new(bucket_ms(length)),
            buckets: Default::default(),
        }
    }

    /// Makes it as long as this. Where it was not, what it held is forgotten.
    pub fn fit(&self, length: Duration) {
        let wanted = bucket_ms(length);
        if self.bucket_ms.load(Ordering::Relaxed) != wanted {
            self.bucket_ms.store(wanted, Ordering::Relaxed);
            self.clear();
        }
    }

    /// Counts a request.
    pub fn record(&self, marked: bool, now: Duration) {
        let epoch = self.epoch(now);
        let tag = epoch % EPOCHS;
        let add = |word| {
            let bucket = Bucket::unpack(word);
            let bucket = match bucket.epoch == tag {
                true => bucket,
                false => Bucket {
                    epoch: tag,
                    total: 0,
                    marked: 0,
                },
            };
            Some(bucket.add(marked).pack())
        };
        let bucket = &self.buckets[epoch as usize % BUCKETS];
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// What it holds.
    pub fn count(&self, now: Duration) -> Counted {
        let present = self.epoch(now) % EPOCHS;
        let mut counted = Counted::default();
        for bucket in &self.buckets {
            let bucket = Bucket::unpack(bucket.load(Ordering::Relaxed));
            let age = present.wrapping_sub(bucket.epoch) % EPOCHS;
            if age < BUCKETS as u64 {
                counted.total += bucket.total;
                counted.marked += bucket.marked;
            }
        }
        counted
    }

    /// Forgets all.
    pub fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }

    fn epoch(&self, now: Duration) -> u64 {
        now.as_millis() as u64 / self.bucket_ms.load(Ordering::Relaxed)
    }
}

fn bucket_ms(length: Duration) -> u64 {
    (length.as_millis() as u64 / BUCKETS as u64).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Counted, MAX_COUNT, Window};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_older_than_the_window_is_forgotten_part_by_part() {
        let window = Window::new(10 * SECOND);
        for second in 100..120 {
            window.record(second % 2 == 0, second * SECOND);
        }
        let counted = window.count(119 * SECOND);
        assert_eq!((counted.total, counted.marked), (10, 5));
        assert_eq!(window.count(124 * SECOND).total, 5);
        assert_eq!(window.count(129 * SECOND), Counted::default());
    }

    #[test]
    fn a_burst_of_successes_does_not_hide_an_outage() {
        let window = Window::new(10 * SECOND);
        for tenth in 0..90 {
            window.record(true, SECOND * tenth / 10 + 1000 * SECOND);
        }
        for _ in 0..9 {
            window.record(false, 1009 * SECOND);
        }
        assert!(window.count(1009 * SECOND).reaches(90));
    }

    #[test]
    fn a_full_part_keeps_the_share() {
        let window = Window::new(SECOND);
        for number in 0..MAX_COUNT + 10 {
            window.record(number % 4 == 0, SECOND);
        }
        let ratio = window.count(SECOND).ratio();
        assert!((ratio - 0.25).abs() < 0.001, "{ratio}");
    }

    #[test]
    fn another_length_begins_anew() {
        let window = Window::new(SECOND);
        window.record(true, SECOND);
        window.fit(SECOND);
        assert_eq!(window.count(SECOND).total, 1);
        window.fit(2 * SECOND);
        assert_eq!(window.count(SECOND).total, 0);
    }
}

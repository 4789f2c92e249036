//! When a credential was last accepted, to the minute.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

const MS_A_MINUTE: u64 = 60_000;

/// When a credential was last accepted. Written at most once a minute, so that workers that take requests with the
/// same credential seldom write to the same place.
#[derive(Debug, Default)]
pub struct LastUse(AtomicU64);

impl LastUse {
    /// It is accepted now.
    pub fn mark(&self) {
        let now = now_ms();
        let minute = now - now % MS_A_MINUTE;
        if self.0.load(Ordering::Relaxed) < minute {
            self.0.store(minute, Ordering::Relaxed);
        }
    }

    /// In Unix milliseconds, cut down to the minute; 0 where it never was since the start.
    pub fn ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether it was within the present minute or the one before.
    pub fn is_recent(&self) -> bool {
        self.ms() + 2 * MS_A_MINUTE > now_ms()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}

//! Writes signs of life to the database, and takes away the targets that give none.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use gatewright_proto::{Key, Kind};
use tokio::task::JoinHandle;

use super::{Change, Queue, Shared, TICK};
use crate::store::{Authorship, SignOfLife, StoreError};

/// After so long without a tick this process was not running: nobody could be heard.
const STALL: Duration = Duration::from_secs(5);

/// Most targets that the database is asked or told of in one statement.
const MAX_ROWS: usize = 10_000;

/// Who takes targets away, in the history.
const AUTHOR: &str = "gatewright";

/// Every so many ticks, targets long gone are forgotten.
const FORGET_EVERY: u64 = 600;

/// Since when this control plane has watched without a break.
#[derive(Debug)]
pub(super) struct Watch {
    since: Instant,
    last: Instant,
    ticks: u64,
    /// Takes away who gave no sign of life.
    expiring: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) const fn begin(now: Instant) -> Self {
        Self {
            since: now,
            last: now,
            ticks: 0,
            expiring: None,
        }
    }

    /// Goes on; begins anew after a break.
    fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last) > TICK + STALL {
            self.since = now;
        }
        self.last = now;
        self.ticks += 1;
    }

    /// Whether it has lasted this long.
    fn has_lasted(&self, time: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= time
    }
}

impl Shared {
    /// One round: saves, asks, takes away.
    pub(super) async fn tick(self: &Arc<Self>, watch: &mut Watch) {
        watch.tick(Instant::now());
        match self.round(watch).await {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the database takes signs of life again");
                }
            }
            Err(error) => {
                // Nobody is taken away before having had the time to be heard again.
                watch.since = Instant::now();
                self.metrics.failed();
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the database takes no signs of life; no registration expires");
                }
            }
        }
    }

    async fn round(self: &Arc<Self>, watch: &mut Watch) -> Result<(), StoreError> {
        let store = &self.catalog.store;
        if self.save().await? == 0 {
            // Only a database that answers at every tick has been watched.
            store.head().await?;
        }
        if watch.ticks.is_multiple_of(FORGET_EVERY) {
            store.forget().await?;
        }
        let now = Instant::now();
        let mut due = self.known.due(&self.catalog.present(), now);
        for part in due.chunks(MAX_ROWS) {
            let targets: Vec<String> = part.iter().map(|(target, _)| target.clone()).collect();
            let ages = store.ages(&targets).await?;
            for target in &targets {
                match ages.get(target) {
                    Some(age) => self.known.learn(target, *age, now),
                    // The database has lost it: as if it had just been heard of.
                    None => self.known.note(target, now),
                }
            }
        }
        due.retain(|(target, allowed)| {
            let age = self.known.age_ms(target, now).unwrap_or(0);
            u128::from(age) >= allowed.as_millis() && watch.has_lasted(*allowed, now)
        });
        self.take_away(due.into_iter().map(|(target, _)| target).collect(), watch);
        Ok(())
    }

    /// Writes the signs of life that were noted. Returns how many.
    pub(super) async fn save(&self) -> Result<usize, StoreError> {
        let mut signs = self.known.take_unsaved(Instant::now());
        let count = signs.len();
        while !signs.is_empty() {
            let rest = signs.split_off(signs.len().min(MAX_ROWS));
            if let Err(error) = self.renew(&signs).await {
                self.known.put_back(signs);
                self.known.put_back(rest);
                return Err(error);
            }
            signs = rest;
        }
        Ok(count)
    }

    async fn renew(&self, signs: &[SignOfLife]) -> Result<(), StoreError> {
        self.catalog.store.renew(signs).await?;
        self.metrics.saved(signs.len());
        Ok(())
    }

    /// Takes targets away, unless that is under way already: what is not done now is found again.
    fn take_away(self: &Arc<Self>, targets: Vec<String>, watch: &mut Watch) {
        let is_under_way = watch.expiring.as_ref().is_some_and(|it| !it.is_finished());
        if targets.is_empty() || is_under_way {
            return;
        }
        let shared = Arc::clone(self);
        watch.expiring = Some(tokio::spawn(async move {
            let count = targets.len();
            tracing::info!(count, first = targets[0], "targets give no sign of life");
            let asked = targets
                .into_iter()
                .map(|it| Queue::ask(&shared, lapsed(it)));
            for answer in join_all(asked).await {
                if let Err(refusal) = answer {
                    tracing::warn!(
                        ?refusal,
                        "a target that gives no sign of life could not be taken away"
                    );
                }
            }
        }));
    }
}

fn lapsed(target: String) -> Change {
    Change {
        key: Key::new(Kind::Target, target),
        target: None,
        expired: true,
        by: Authorship {
            author: AUTHOR.to_owned(),
            comment: "no sign of life".to_owned(),
            action: "expiry".to_owned(),
            ..Authorship::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{STALL, TICK, Watch};

    #[test]
    fn a_watch_begins_anew_after_a_pause() {
        let start = Instant::now();
        let mut watch = Watch::begin(start);
        let mut now = start;
        for _ in 0..20 {
            now += TICK;
            watch.tick(now);
        }
        assert!(watch.has_lasted(Duration::from_secs(20), now));
        assert!(!watch.has_lasted(Duration::from_secs(21), now));
        now += TICK + STALL + Duration::from_millis(1);
        watch.tick(now);
        assert!(!watch.has_lasted(Duration::from_secs(1), now));
    }
}

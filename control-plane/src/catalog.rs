//! The configuration in memory: all resources at the newest revision known here, and the recent
//! changes. Loaded once, then moved forward by the store's change log; the admin API reads it, the
//! discovery sessions follow it.

mod log;
mod state;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gatewright_proto::{Key, Version};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::store::{Change, Head, Store, StoreError};
use log::Log;
pub use state::{Entry, State};

/// How often the store is asked whether another control plane has committed.
const POLL: Duration = Duration::from_secs(1);
/// How many revisions the log is read back at most, for a node that was away while this control plane
/// started. A node that is further behind is asked what it holds.
const MAX_READ_BACK: u64 = 10_000;

/// The configuration in memory, and where it comes from.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The newest state known here; sessions wait on it.
    pub state: watch::Sender<Arc<State>>,
    log: Arc<Mutex<Log>>,
    /// Held while the log is read back, so that a fleet that returns reads it once.
    reading_back: Arc<tokio::sync::Mutex<()>>,
}

impl Catalog {
    /// Loads everything.
    ///
    /// # Errors
    /// The database.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (head, stored) = store.load().await?;
        let log = Arc::new(Mutex::new(Log::at(&head)));
        Ok(Self {
            store,
            state: watch::Sender::new(Arc::new(State::of(head, stored))),
            log,
            reading_back: Arc::default(),
        })
    }

    /// The newest state known here, without asking the database.
    pub fn present(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Catches up with the database and returns the newest state: what reads of the API see.
    ///
    /// # Errors
    /// The database.
    pub async fn fresh(&self) -> Result<Arc<State>, StoreError> {
        let (present, head) = (self.present(), self.store.head().await?);
        if head.epoch != present.head.epoch || head.revision < present.head.revision {
            return self.reload().await;
        }
        if head.revision == present.head.revision {
            return Ok(present);
        }
        match self.store.changes_after(present.head.revision).await? {
            Some(changes) if !changes.is_empty() => Ok(self.advance(head, &changes)),
            // Trimmed, or another history since the head was read.
            _ => self.reload().await,
        }
    }

    /// Moves on to a head whose changes since the present state are these; wakes the followers. Called
    /// by the write path with the lock on revisions held, so a state that is newer already is kept.
    pub fn advance(&self, head: Head, changes: &[Change]) -> Arc<State> {
        // Held throughout, so that the log and the state move together.
        let mut log = self.log();
        let present = self.present();
        let mut newer = changes
            .iter()
            .filter(|change| change.revision > present.head.revision)
            .peekable();
        let Some(first) = newer.peek() else {
            return present;
        };
        // With a gap, something would be missing for good: the next `fresh` gets all of it.
        if head.epoch != present.head.epoch || first.revision > present.head.revision + 1 {
            return present;
        }
        let (mut next, mut revision) = (State::clone(&present), present.head.revision);
        for change in newer {
            next.apply(change);
            log.push(change);
            revision = change.revision;
        }
        next.head = Head { revision, ..head };
        let next = Arc::new(next);
        self.state.send_replace(Arc::clone(&next));
        next
    }

    /// Loads everything again: where the log does not reach back, or the history is another one.
    ///
    /// # Errors
    /// The database.
    pub async fn reload(&self) -> Result<Arc<State>, StoreError> {
        let before = self.present();
        let (head, stored) = self.store.load().await?;
        let next = Arc::new(State::of(head, stored));
        let mut log = self.log();
        let present = self.present();
        let moved = !Arc::ptr_eq(&before, &present);
        if moved
            && present.head.epoch == next.head.epoch
            && present.head.revision >= next.head.revision
        {
            return Ok(present);
        }
        *log = Log::at(&next.head);
        self.state.send_replace(Arc::clone(&next));
        Ok(next)
    }

    /// Sees to it that [`Catalog::between`] reaches back to a revision, where that costs little.
    ///
    /// # Errors
    /// The database.
    pub async fn read_back(&self, from: &Head) -> Result<(), StoreError> {
        let present = self.present();
        let behind = present.head.revision.saturating_sub(from.revision);
        if from.epoch != present.head.epoch || behind > MAX_READ_BACK {
            return Ok(());
        }
        let _turn = self.reading_back.lock().await;
        if self.log().reaches(from) {
            return Ok(());
        }
        if let Some(changes) = self.store.changes_after(from.revision).await? {
            let mut log = self.log();
            if self.present().head.epoch == from.epoch {
                log.extend_back(from.revision, &changes);
            }
        }
        Ok(())
    }

    /// The resources that changed after `from`, up to `until`, with the versions that they had at `from`.
    /// None where that is not known, or `until` is of another history or older.
    pub fn between(&self, from: &Head, until: &Head) -> Option<BTreeMap<Key, Option<Version>>> {
        self.log().between(from, until)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the database until `shutdown`: at each hint, and by polling.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = self.store.hint() => {}
                () = sleep(POLL) => {}
                () = shutdown.cancelled() => return,
            }
            match self.fresh().await {
                Ok(_) if failing => {
                    tracing::info!("the database answers again");
                    failing = false;
                }
                Ok(_) => {}
                Err(error) => {
                    if !failing {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, cause, "cannot follow the database; nodes keep what they have");
                    }
                    failing = true;
                }
            }
        }
    }
}

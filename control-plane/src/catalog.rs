//! The configuration in memory: all resources at the newest revision known here, and the recent
//! changes. Loaded once, then moved forward by the store's change log; the admin API reads it, the
//! discovery sessions follow it.

mod log;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use gatewright_engine::{Held, ResourceSet};
use gatewright_proto::{Digest, Key};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

pub use log::Log;

use crate::store::{Change, Head, Store, StoreError, Stored};

/// How often the store is asked whether another control plane has committed.
const POLL: Duration = Duration::from_secs(1);

/// Everything at one revision. Immutable; shared.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Which revision of which history.
    pub head: Head,
    /// The resources.
    pub entries: BTreeMap<Key, Entry>,
    /// Their digest.
    pub digest: Digest,
}

/// A resource with what the store knows of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The resource and its version.
    pub held: Held,
    /// Its encoding, made once for all nodes.
    pub encoded: Bytes,
    /// The revision that last changed it.
    pub revision: u64,
    /// The revision that created it.
    pub created_revision: u64,
    /// When it was last changed, in Unix milliseconds.
    pub updated_at_ms: i64,
}

impl State {
    /// The engine's view of it.
    pub fn set(&self) -> ResourceSet {
        let held = |(key, entry): (&Key, &Entry)| (key.clone(), entry.held.clone());
        ResourceSet {
            held: self.entries.iter().map(held).collect(),
            refused: BTreeMap::new(),
        }
    }

    fn of(head: Head, stored: Vec<Stored>) -> Self {
        let mut state = Self {
            head,
            ..Self::default()
        };
        for stored in stored {
            let key = Key::of(&stored.resource);
            state.digest.toggle(&key, &stored.version);
            let entry = Entry {
                encoded: stored.resource.to_bytes(),
                held: Held {
                    resource: stored.resource,
                    version: stored.version,
                },
                revision: stored.revision,
                created_revision: stored.created_revision,
                updated_at_ms: stored.updated_at_ms,
            };
            state.entries.insert(key, entry);
        }
        state
    }

    fn apply(&mut self, change: &Change) {
        let before = self.entries.remove(&change.key);
        if let Some(before) = &before {
            self.digest.toggle(&change.key, &before.held.version);
        }
        if let Some((resource, version)) = &change.after {
            self.digest.toggle(&change.key, version);
            let entry = Entry {
                encoded: resource.to_bytes(),
                held: Held {
                    resource: Arc::clone(resource),
                    version: *version,
                },
                revision: change.revision,
                created_revision: before.map_or(change.revision, |it| it.created_revision),
                updated_at_ms: change.at_ms,
            };
            self.entries.insert(change.key.clone(), entry);
        }
    }
}

/// The configuration in memory, and where it comes from.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The newest state known here; sessions wait on it.
    pub state: watch::Sender<Arc<State>>,
    log: Arc<Mutex<Log>>,
}

impl Catalog {
    /// Loads everything.
    ///
    /// # Errors
    /// The database.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let (head, stored) = store.load().await?;
        let log = Arc::new(Mutex::new(Log::from(head.revision)));
        Ok(Self {
            store,
            state: watch::Sender::new(Arc::new(State::of(head, stored))),
            log,
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
            Some(changes) => Ok(self.advance(head, &changes)),
            None => self.reload().await,
        }
    }

    /// Moves on to a head whose changes since the present state are these; wakes the followers. Called
    /// by the write path with the lock on revisions held, so a state that is newer already is kept.
    pub fn advance(&self, head: Head, changes: &[Change]) -> Arc<State> {
        // Held throughout, so that the log and the state move together.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.present();
        let newest = changes
            .last()
            .map_or(head.revision, |change| change.revision);
        let revision = newest.max(head.revision.min(newest));
        if revision <= present.head.revision {
            return present;
        }
        let mut next = State::clone(&present);
        for change in changes {
            if change.revision > present.head.revision {
                next.apply(change);
                log.push(change);
            }
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
        let (head, stored) = self.store.load().await?;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        *log = Log::from(head.revision);
        let next = Arc::new(State::of(head, stored));
        self.state.send_replace(Arc::clone(&next));
        Ok(next)
    }

    /// Reads the log of recent changes.
    pub fn with_log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
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

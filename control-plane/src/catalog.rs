//! The configuration in memory: all resources at the newest revision known here, and the recent
//! changes. Loaded once, then moved forward by the store's change log; the admin API reads it, the
//! discovery sessions follow it.

use std::{collections::BTreeMap, sync::Arc};

use gatewright_engine::{Held, ResourceSet};
use gatewright_proto::{Digest, Key};
use tokio::sync::watch;

use crate::store::{Change, Head, Store, StoreError};

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
}

/// The configuration in memory, and where it comes from.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The newest state known here; sessions wait on it.
    pub state: watch::Sender<Arc<State>>,
}

impl Catalog {
    /// Loads everything.
    ///
    /// # Errors
    /// The database.
    pub async fn load(_store: Arc<dyn Store>) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// Catches up with the database and returns the newest state: what reads of the API see.
    ///
    /// # Errors
    /// The database.
    pub async fn fresh(&self) -> Result<Arc<State>, StoreError> {
        unimplemented!()
    }
    /// Moves on to a head whose changes since the present state are these; wakes the followers. Called
    /// by the write path with the lock on revisions held, so a state that is newer already is kept.
    pub fn advance(&self, _head: Head, _changes: &[Change]) -> Arc<State> {
        unimplemented!()
    }

    /// Loads everything again: where the log does not reach back, or the history is another one.
    ///
    /// # Errors
    /// The database.
    pub async fn reload(&self) -> Result<Arc<State>, StoreError> {
        unimplemented!()
    }
}

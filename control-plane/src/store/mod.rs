//! The database: the only SQL in the product. One narrow trait, two back ends, one conformance suite.
//!
//! Revisions are commit-ordered: a transaction holds the row lock of the one-row table `revision` (Postgres)
//! or the database's write lock (SQLite) from its first read to its commit, so that nobody ever sees
//! revision 11 before revision 10. A sequence does not promise that.

mod audit;
mod key_set;
mod lease;
mod open;
mod postgres;
mod sqlite;

mod credential_use;
mod document;
mod plan;
mod rollout;
mod roster;
mod sealing;
mod sql;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use gatewright_proto::{Key, Resource, Version};

pub use self::{
    audit::{AuditLog, Audited, COMMITTED, Sought},
    credential_use::{CredentialUses, Used},
    key_set::{ClaimedFetch, KeySetFetches, ShownFetch},
    lease::{Leases, SignOfLife},
    open::{StoreSettings, open},
    rollout::{Claimed, ListedRollout, Rollouts, SavedRollout, ShownRollout},
    roster::{Applied, Member, NodeElsewhere, NodeRow, Roster},
    sealing::{Outdated, Sealing},
};
use crate::secrets::SealError;

/// Which revision of which history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Identity of the history; another one after a restore.
    pub epoch: String,
    /// Number of the newest commit; 0 is an empty store.
    pub revision: u64,
}

/// A resource as stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Its content hash.
    pub version: Version,
    /// The revision that last changed it.
    pub revision: u64,
    /// The revision that created it.
    pub created_revision: u64,
    /// When it was last changed, in Unix milliseconds.
    pub updated_at_ms: i64,
}

/// One resource changed by one revision.
#[derive(Clone, Debug)]
pub struct Change {
    /// The revision.
    pub revision: u64,
    /// The resource.
    pub key: Key,
    /// What it was; none where it was created.
    pub before: Option<(Arc<Resource>, Version)>,
    /// What it became; none where it was deleted.
    pub after: Option<(Arc<Resource>, Version)>,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
}

/// A commit, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its number.
    pub revision: u64,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// Who, as the admin API knows them.
    pub author: String,
    /// What for, from the header `Gatewright-Comment`; may be empty.
    pub comment: String,
    /// How many resources it changed.
    pub changes: u32,
}

/// What to write: the new resource, or none to delete.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The resource.
    pub key: Key,
    /// What it becomes.
    pub after: Option<Arc<Resource>>,
}

/// Who writes, what for, and how it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorship {
    /// Who.
    pub author: String,
    /// What for.
    pub comment: String,
    /// Method and path of the request.
    pub action: String,
    /// Where it came from; empty where that is not known.
    pub address: String,
    /// Its id.
    pub request_id: String,
}

/// A database.
#[async_trait]
pub trait Store:
    Roster
    + AuditLog
    + Leases
    + KeySetFetches
    + Rollouts
    + Sealing
    + CredentialUses
    + Send
    + Sync
    + fmt::Debug
{
    /// The newest revision.
    async fn head(&self) -> Result<Head, StoreError>;

    /// All resources, at one revision.
    async fn load(&self) -> Result<(Head, Vec<Stored>), StoreError>;

    /// What has changed since a revision, oldest first; none where the log no longer reaches back to it,
    /// or the revision has not happened.
    async fn changes_after(&self, revision: u64) -> Result<Option<Vec<Change>>, StoreError>;

    /// What one revision changed; none where it is unknown or trimmed.
    async fn revision(&self, revision: u64) -> Result<Option<(Revision, Vec<Change>)>, StoreError>;

    /// Revisions below `before` (none: from the newest), newest first, at most `limit`.
    async fn revisions(&self, before: Option<u64>, limit: u32)
    -> Result<Vec<Revision>, StoreError>;

    /// Begins a write: holds the lock on revisions until it is committed or dropped.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    /// Returns when something may have been committed since the last call: by anyone (Postgres), or by
    /// this process (SQLite). A hint, for one caller at a time; polling is the truth.
    async fn hint(&self);

    /// Forgets changes older than both bounds; the resources stay. Returns how many revisions went.
    async fn trim(&self, keep_ms: i64, keep_revisions: u64) -> Result<u64, StoreError>;
}

/// A write under way.
#[async_trait]
pub trait Transaction: Send {
    /// The newest revision; nobody else can commit until this ends.
    fn head(&self) -> &Head;

    /// What has changed since a revision, as [`Store::changes_after`].
    async fn changes_after(&mut self, revision: u64) -> Result<Option<Vec<Change>>, StoreError>;

    /// Commits edits as the next revision. Edits that change nothing are left out; with none left, no
    /// revision is made and the present one is returned.
    async fn commit(
        self: Box<Self>,
        edits: Vec<Edit>,
        by: Authorship,
    ) -> Result<(u64, Vec<Change>), StoreError>;
}

/// Why the database could not.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL in `GATEWRIGHT_DATABASE_URL` is not usable.
    #[error("{0}")]
    Url(String),
    /// The database failed or is not there.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the schema could not be migrated")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// Something is encrypted with a master key that is not there.
    #[error("the database cannot be read without its master keys: {0}")]
    MasterKey(SealError),
    /// What is secret of a resource cannot be encrypted or decrypted.
    #[error("row `{key}`: {reason}")]
    Sealed {
        /// Which resource.
        key: String,
        /// Why.
        reason: SealError,
    },
    /// A row does not hold what this version writes.
    #[error("row `{key}` cannot be read: {reason}")]
    Corrupt {
        /// Which resource or row.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

//! The one way a configuration changes: **check** (the would-be set is compiled), **commit** (the
//! next revision), **notify** (the catalog moves on, and its followers with it).
//!
//! All of it happens while the lock on revisions is held, so what was checked is what is committed. A dry run only
//! checks, without the lock.

mod mistake;
mod operation;
mod password;
mod plan;
pub mod write_only;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use gatewright_proto::{Key, Kind, Resource, Version};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::timeout_at,
};

pub use mistake::Mistake;
pub use operation::{Operation, Precondition, Tags};
pub use plan::{Plan, Planned};

use crate::{
    catalog::{Catalog, State},
    check::Checker,
    label::Selector,
    store::{Authorship, Edit, StoreError, Transaction},
};

/// Longest wait for the writers before, on this control plane and others.
const MAX_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Most writes that wait for each other; each holds what it is to change in memory.
const MAX_WAITING: usize = 256;

/// Most dry runs at a time.
const MAX_TRIED: usize = 4;

/// A change as a client asks for it. All of it happens, or nothing.
#[derive(Debug, Default)]
pub struct Write {
    /// What to do, each resource once.
    pub operations: Vec<Operation>,
    /// Whether and where resources that no operation names are deleted.
    pub prune: Option<Selector>,
    /// Whether that goes for targets that registered themselves as well; they belong to their instances.
    pub prune_registered: bool,
    /// What was wrong already when it was read: it is checked and then refused.
    pub mistakes: Vec<Mistake>,
    /// Whether it is committed.
    pub mode: Mode,
    /// Who writes, and what for.
    pub by: Authorship,
}

/// Whether a change is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is checked and committed.
    #[default]
    Commit,
    /// It is checked, and what it would do is answered.
    DryRun,
}

/// What came of a write.
#[derive(Debug)]
pub struct Written {
    /// The revision it made; the present one where it changed nothing or was a dry run.
    pub revision: u64,
    /// What it changed, in order of key.
    pub changes: Vec<Planned>,
    /// The configuration after it.
    pub state: Arc<State>,
}

/// Why a write was refused. Nothing of it was committed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is none of this name.
    #[error("there is no `{0}`")]
    NotFound(Key),
    /// There is one of this name.
    #[error("`{0}` exists already")]
    AlreadyExists(Key),
    /// The resource is not what the client believes it to be.
    #[error("`{0}` is at another version")]
    Precondition(Key, Option<Version>),
    /// Others refer to what is to be deleted.
    #[error("other resources refer to what is to be deleted")]
    StillReferenced(Vec<Mistake>),
    /// It has these mistakes.
    #[error("the configuration would have mistakes: {}", .0.len())]
    Invalid(Vec<Mistake>),
    /// Too many try something out.
    #[error("more than {MAX_TRIED} dry runs at a time")]
    Crowded,
    /// Other writers took too long.
    #[error("other writes took more than {} seconds", MAX_LOCK_WAIT.as_secs())]
    Busy,
    /// The check died.
    #[error("the check failed")]
    Check(#[source] tokio::task::JoinError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes all changes.
#[derive(Debug)]
pub struct Writer {
    catalog: Catalog,
    checker: Arc<Checker>,
    // Writers of this process queue here, in order, so that only one takes up a connection.
    turn: Mutex<()>,
    waiting: Semaphore,
    tries: Arc<Semaphore>,
    // Hashing takes all cores as it is.
    hashing: Arc<Semaphore>,
}

impl Writer {
    /// Writes to the catalog's store.
    pub fn new(catalog: Catalog, checker: Arc<Checker>) -> Self {
        Self {
            catalog,
            checker,
            turn: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
            tries: Arc::new(Semaphore::new(MAX_TRIED)),
            hashing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Carries out a change.
    ///
    /// # Errors
    /// What is wrong with it, all at once; or the database, and then it may be committed only if the
    /// failure came while the commit was on its way.
    pub async fn write(&self, write: Write) -> Result<Written, WriteError> {
        if write.mode == Mode::DryRun {
            return self.try_out(write).await;
        }
        let _place = self.waiting.try_acquire().map_err(|_| WriteError::Busy)?;
        let write = self.hash_passwords(write).await?;
        let deadline = tokio::time::Instant::now() + MAX_LOCK_WAIT;
        let turn = timeout_at(deadline, self.turn.lock());
        let _turn = turn.await.map_err(|_| WriteError::Busy)?;
        let begin = timeout_at(deadline, self.catalog.store.begin());
        let mut transaction = begin.await.map_err(|_| WriteError::Busy)??;
        let present = self.present(&mut *transaction).await?;
        let by = write.by.clone();
        let plan = self.check((present.clone(), write), None).await?;
        if plan.changes.is_empty() {
            return Ok(Written {
                revision: present.head.revision,
                changes: plan.changes,
                state: present,
            });
        }
        let edits = plan.changes.iter().map(Planned::edit).collect();
        self.commit(transaction, edits, by, plan).await
    }

    /// Hashes the passwords that a change brings, which takes long on purpose, before the lock is taken.
    async fn hash_passwords(&self, mut write: Write) -> Result<Write, WriteError> {
        if !write.operations.iter().any(password::brings) {
            return Ok(write);
        }
        let turn = Arc::clone(&self.hashing).acquire_owned();
        let turn = turn.await.map_err(|_| WriteError::Busy)?;
        let present = self.catalog.state.borrow().clone();
        let hash = move || {
            let _turn = turn;
            let stored = |name: &str| {
                let key = Key::new(Kind::Credential, name);
                match &*present.entries.get(&key)?.held.resource {
                    Resource::Credential(stored) => Some(stored),
                    _ => None,
                }
            };
            password::hash_ahead(&mut write.operations, stored);
            write
        };
        let hashed = tokio::task::spawn_blocking(hash).await;
        hashed.map_err(WriteError::Check)
    }

    /// What a change would do to the newest state. Takes no lock: who tries things out holds no writer up.
    async fn try_out(&self, write: Write) -> Result<Written, WriteError> {
        let turn = Arc::clone(&self.tries).try_acquire_owned();
        let turn = turn.map_err(|_| WriteError::Crowded)?;
        let present = self.catalog.fresh().await?;
        let plan = self.check((present.clone(), write), Some(turn)).await?;
        Ok(Written {
            revision: present.head.revision,
            changes: plan.changes,
            state: present,
        })
    }

    /// The configuration as of the transaction.
    async fn present(&self, transaction: &mut dyn Transaction) -> Result<Arc<State>, StoreError> {
        let known = self.catalog.state.borrow().clone();
        let head = transaction.head().clone();
        if known.head == head {
            return Ok(known);
        }
        if known.head.epoch == head.epoch && known.head.revision < head.revision {
            let changes = transaction.changes_after(known.head.revision).await?;
            if let Some(changes) = changes {
                return Ok(self.catalog.advance(head, &changes));
            }
        }
        self.catalog.reload().await
    }

    /// Checks a change. A turn goes with the check, which goes on when nobody waits for it any more.
    async fn check(
        &self,
        (present, write): (Arc<State>, Write),
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Plan, WriteError> {
        let checker = self.checker.clone();
        let encrypts = self.catalog.store.master_key().is_some();
        let check = move || {
            let _turn = turn;
            let mut plan = Plan::of(&present, write)?;
            if !encrypts {
                plan.refuse_secrets();
            }
            let touched: BTreeSet<String> = plan.touched.iter().map(Key::to_string).collect();
            if plan.changes.is_empty() && plan.mistakes.is_empty() {
                return Ok(plan);
            }
            let errors = checker.check_change(&present, &plan.would_be, &touched);
            plan.judge(errors, checker.registry())
        };
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(WriteError::Check)?
    }

    async fn commit(
        &self,
        transaction: Box<dyn Transaction>,
        edits: Vec<Edit>,
        by: Authorship,
        plan: Plan,
    ) -> Result<Written, WriteError> {
        let mut head = transaction.head().clone();
        let (revision, changes) = transaction.commit(edits, by).await?;
        head.revision = revision;
        let state = self.catalog.advance(head, &changes);
        tracing::info!(
            revision,
            changes = changes.len(),
            "committed revision {revision}"
        );
        Ok(Written {
            revision,
            changes: plan.changes,
            state,
        })
    }
}

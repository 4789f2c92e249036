//! Postgres: several control planes share it.

mod audit;
mod credential_use;
mod key_set;
mod lease;
mod listen;
mod rollout;
mod roster;
mod sealing;
mod write;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use self::listen::Listener;
use super::{
    Change, Head, Revision, Store, StoreError, StoreSettings, Stored, Transaction,
    document::{self, HeadRow, signed},
    open::{bounded, migrator},
    plan, sql,
};
use crate::secrets::Keyring;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "resources",
        include_str!("../../../migrations/postgres/0001_resources.sql"),
    ),
    (
        2,
        "fleet",
        include_str!("../../../migrations/postgres/0002_fleet.sql"),
    ),
    (
        3,
        "audit",
        include_str!("../../../migrations/postgres/0003_audit.sql"),
    ),
    (
        4,
        "leases",
        include_str!("../../../migrations/postgres/0004_leases.sql"),
    ),
    (
        5,
        "rollouts",
        include_str!("../../../migrations/postgres/0005_rollouts.sql"),
    ),
    (
        7,
        "key set fetches",
        include_str!("../../../migrations/postgres/0007_key_set_fetches.sql"),
    ),
    (
        8,
        "secrets",
        include_str!("../../../migrations/postgres/0008_secrets.sql"),
    ),
];

/// One snapshot for all statements of a read.
const READ: &str = "begin isolation level repeatable read read only";

/// A migration may rewrite a table, and a second control plane waits for the first one's.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(300);

/// How much longer than a statement a read of everything may take.
const LOAD_FACTOR: u32 = 12;

/// A database on a server.
#[derive(Debug)]
pub(super) struct Postgres {
    readers: PgPool,
    /// One connection: writers of this process wait here, not on the lock in the database, where each
    /// would hold a connection.
    writer: PgPool,
    /// One connection to tell of nodes and one to read of them: what a write holds up is not theirs.
    roster: PgPool,
    listener: Listener,
    timeout: Duration,
    keyring: Arc<Keyring>,
}

impl Postgres {
    /// Connects and migrates.
    pub(super) async fn open(url: &str, settings: &StoreSettings) -> Result<Self, StoreError> {
        let unusable = |error| StoreError::Url(format!("the database URL is not usable: {error}"));
        let options: PgConnectOptions = url.parse().map_err(unusable)?;
        let options = options.application_name("gatewright");
        bounded(MIGRATION_TIMEOUT, migrate(&options, settings)).await?;
        let options = limited(options, settings.timeout);
        let pool = |connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(settings.timeout)
                .connect_lazy_with(options.clone())
        };
        Ok(Self {
            readers: pool(settings.read_connections),
            writer: pool(1),
            roster: pool(2),
            listener: Listener::start(pool(1)),
            timeout: settings.timeout,
            keyring: Arc::clone(&settings.keyring),
        })
    }

    /// Bounds an operation of a wait for a connection and a few statements.
    async fn short<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        bounded(self.timeout * 2, work).await
    }

    /// Bounds an operation that may read everything.
    async fn long<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        bounded(self.timeout * LOAD_FACTOR, work).await
    }
}

/// Limits that the server itself enforces. The last one ends a writer that holds the lock on revisions
/// and was cut off, before the others have waited long.
fn limited(options: PgConnectOptions, timeout: Duration) -> PgConnectOptions {
    let timeout_ms = timeout.as_millis();
    options.options([
        (
            "statement_timeout",
            (timeout_ms * u128::from(LOAD_FACTOR)).to_string(),
        ),
        ("lock_timeout", timeout_ms.to_string()),
        (
            "idle_in_transaction_session_timeout",
            (timeout_ms * 2).to_string(),
        ),
    ])
}

/// Migrates under the database's advisory lock, so that control planes may start together.
async fn migrate(options: &PgConnectOptions, settings: &StoreSettings) -> Result<(), StoreError> {
    let connect = async { Ok(PgConnection::connect_with(options).await?) };
    let mut connection = bounded(settings.timeout, connect).await?;
    let migrated = migrator(MIGRATIONS).run(&mut connection).await;
    migrated.map_err(StoreError::Migrate)?;
    Ok(connection.close().await?)
}

async fn head(connection: &mut PgConnection) -> Result<(Head, u64), StoreError> {
    let row: HeadRow = sqlx::query_as(sql::HEAD).fetch_one(connection).await?;
    document::head(row)
}

async fn changes_after(
    connection: &mut PgConnection,
    revision: u64,
    keyring: &Keyring,
) -> Result<Option<Vec<Change>>, StoreError> {
    let (head, trimmed) = head(&mut *connection).await?;
    if !(trimmed..=head.revision).contains(&revision) {
        return Ok(None);
    }
    let rows = sqlx::query_as(sql::CHANGES_AFTER).bind(signed(revision));
    let rows = rows.fetch_all(connection).await?;
    let changes: Result<_, _> = rows
        .iter()
        .map(|row| document::change(row, keyring))
        .collect();
    changes.map(Some)
}

#[async_trait]
impl Store for Postgres {
    async fn head(&self) -> Result<Head, StoreError> {
        let work = async {
            let mut connection = self.readers.acquire().await?;
            Ok(head(&mut connection).await?.0)
        };
        self.short(work).await
    }

    async fn load(&self) -> Result<(Head, Vec<Stored>), StoreError> {
        let work = async {
            let mut transaction = self.readers.begin_with(READ).await?;
            let (head, _) = head(&mut transaction).await?;
            let rows = sqlx::query_as(sql::RESOURCES);
            let rows = rows.fetch_all(&mut *transaction).await?;
            let stored: Result<_, _> = rows
                .iter()
                .map(|row| document::stored(row, &self.keyring))
                .collect();
            Ok((head, stored?))
        };
        self.long(work).await
    }

    async fn changes_after(&self, revision: u64) -> Result<Option<Vec<Change>>, StoreError> {
        let work = async {
            let mut transaction = self.readers.begin_with(READ).await?;
            changes_after(&mut transaction, revision, &self.keyring).await
        };
        self.long(work).await
    }

    async fn revision(&self, number: u64) -> Result<Option<(Revision, Vec<Change>)>, StoreError> {
        let work = async {
            let mut transaction = self.readers.begin_with(READ).await?;
            let row = sqlx::query_as(sql::REVISION).bind(signed(number));
            let Some(row) = row.fetch_optional(&mut *transaction).await? else {
                return Ok(None);
            };
            let rows = sqlx::query_as(sql::CHANGES_OF).bind(signed(number));
            let rows = rows.fetch_all(&mut *transaction).await?;
            let changes: Result<_, _> = rows
                .iter()
                .map(|row| document::change(row, &self.keyring))
                .collect();
            Ok(Some((document::revision(row)?, changes?)))
        };
        self.long(work).await
    }

    async fn revisions(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Revision>, StoreError> {
        let work = async {
            let rows = sqlx::query_as(sql::REVISIONS)
                .bind(signed(before.unwrap_or(u64::MAX)))
                .bind(i64::from(limit))
                .fetch_all(&self.readers);
            let rows = rows.await?.into_iter();
            rows.map(document::revision).collect()
        };
        self.short(work).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        let write = write::begin(&self.writer, self.timeout, Arc::clone(&self.keyring));
        Ok(Box::new(self.short(write).await?))
    }

    async fn hint(&self) {
        self.listener.notified().await;
    }

    async fn trim(&self, keep_ms: i64, keep_revisions: u64) -> Result<u64, StoreError> {
        let work = async {
            let mut transaction = self.writer.begin().await?;
            let (head, trimmed) = write::lock(&mut transaction).await?;
            let since = plan::now_ms().saturating_sub(keep_ms);
            let forget = sqlx::query(sql::TRIM_AUDIT).bind(since);
            forget.execute(&mut *transaction).await?;
            let since = sqlx::query_scalar(sql::OLDEST_SINCE).bind(since);
            let since: Option<i64> = since.fetch_one(&mut *transaction).await?;
            let cut = plan::cut(head.revision, since, keep_revisions);
            if cut <= trimmed {
                transaction.commit().await?;
                return Ok(0);
            }
            for statement in [sql::TRIM_CHANGES, sql::TRIM_LOG, sql::TRIMMED] {
                let statement = sqlx::query(statement).bind(signed(cut));
                statement.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(cut - trimmed)
        };
        self.long(work).await
    }
}

//! SQLite in a file: the embedded default.
//!
//! The connections stay open for the life of the process, and none is opened with "create" after the
//! first: when the file is deleted, reads go on from the file that is still open. Writes are then refused:
//! SQLite would put them into the file that nobody can find any more.

mod audit;
mod credential_use;
mod key_set;
mod lease;
mod rollout;
mod roster;
mod sealing;
mod write;

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    Acquire as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Notify;

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
        include_str!("../../../migrations/sqlite/0001_resources.sql"),
    ),
    (
        2,
        "fleet",
        include_str!("../../../migrations/sqlite/0002_fleet.sql"),
    ),
    (
        3,
        "audit",
        include_str!("../../../migrations/sqlite/0003_audit.sql"),
    ),
    (
        4,
        "leases",
        include_str!("../../../migrations/sqlite/0004_leases.sql"),
    ),
    (
        5,
        "rollouts",
        include_str!("../../../migrations/sqlite/0005_rollouts.sql"),
    ),
    (
        7,
        "key set fetches",
        include_str!("../../../migrations/sqlite/0007_key_set_fetches.sql"),
    ),
    (
        8,
        "secrets",
        include_str!("../../../migrations/sqlite/0008_secrets.sql"),
    ),
];

/// A database file.
#[derive(Debug)]
pub(super) struct Sqlite {
    readers: SqlitePool,
    /// One connection: writers of this process wait their turn in the pool's fair queue. SQLite's own
    /// wait is a poll that lets one of many starve.
    writer: SqlitePool,
    /// One connection to tell of nodes. What is lost of that with the power need not be kept.
    roster: SqlitePool,
    /// Commits of this process. Those of others are found by polling.
    committed: Arc<Notify>,
    /// What this process told of nodes.
    told: Notify,
    file: File,
    timeout: Duration,
    keyring: Arc<Keyring>,
}

impl Sqlite {
    /// Opens the file, which is created when missing, readable for its owner only.
    pub(super) async fn open(path: &str, settings: &StoreSettings) -> Result<Self, StoreError> {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.starts_with(':') || path.contains('?') {
            let reason = "the database URL must be `sqlite:PATH` with the path of a file";
            return Err(StoreError::Url(reason.to_owned()));
        }
        let file = File::create(Path::new(path))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // Full, not normal: an acknowledged write has reached nodes, and must not be gone, its
            // number given to another, after a loss of power. Writes are rare.
            .synchronous(SqliteSynchronous::Full)
            // What was written over is gone from the file: it may have been a secret in clear.
            .pragma("secure_delete", "on")
            .busy_timeout(settings.timeout);
        let pool = |connections, options: &SqliteConnectOptions| {
            SqlitePoolOptions::new()
                .min_connections(connections)
                .max_connections(connections)
                .acquire_timeout(settings.timeout)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options.clone())
        };
        let writer = pool(1, &options).await?;
        migrate(&writer).await?;
        let unsynced = options.clone().synchronous(SqliteSynchronous::Normal);
        Ok(Self {
            readers: pool(settings.read_connections, &options).await?,
            writer,
            roster: pool(1, &unsynced).await?,
            committed: Arc::default(),
            told: Notify::new(),
            file,
            timeout: settings.timeout,
            keyring: Arc::clone(&settings.keyring),
        })
    }
}

/// The file that is open, by what stays when its name is given to another.
#[derive(Debug)]
struct File {
    path: PathBuf,
    identity: (u64, u64),
}

impl File {
    /// Creates the file where it is missing. SQLite gives its mode to the files beside it.
    fn create(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let identity = match file {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => identity(path),
        };
        let unusable = |error| {
            let path = path.display();
            StoreError::Url(format!(
                "the database file `{path}` cannot be opened: {error}"
            ))
        };
        Ok(Self {
            path: path.to_owned(),
            identity: identity.map_err(unusable)?,
        })
    }

    /// Checks that the name still leads to the file that is open.
    fn check(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => Ok(()),
            _ => {
                let path = self.path.display();
                let reason = format!("the database file `{path}` was deleted or replaced");
                Err(sqlx::Error::Io(io::Error::other(reason)).into())
            }
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Migrates in one transaction that holds the write lock; a second process waits for it.
async fn migrate(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = writer.begin_with("begin immediate").await?;
    migrator(MIGRATIONS)
        .run(&mut *transaction)
        .await
        .map_err(StoreError::Migrate)?;
    Ok(transaction.commit().await?)
}

async fn head(connection: &mut SqliteConnection) -> Result<(Head, u64), StoreError> {
    let row: HeadRow = sqlx::query_as(sql::HEAD).fetch_one(connection).await?;
    document::head(row)
}

async fn changes_after(
    connection: &mut SqliteConnection,
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
impl Store for Sqlite {
    async fn head(&self) -> Result<Head, StoreError> {
        let work = async {
            let mut connection = self.readers.acquire().await?;
            Ok(head(&mut connection).await?.0)
        };
        bounded(self.timeout * 2, work).await
    }

    async fn load(&self) -> Result<(Head, Vec<Stored>), StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut transaction = connection.begin().await?;
        let (head, _) = head(&mut transaction).await?;
        let rows = sqlx::query_as(sql::RESOURCES);
        let rows = rows.fetch_all(&mut *transaction).await?;
        let stored: Result<_, _> = rows
            .iter()
            .map(|row| document::stored(row, &self.keyring))
            .collect();
        Ok((head, stored?))
    }

    async fn changes_after(&self, revision: u64) -> Result<Option<Vec<Change>>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut transaction = connection.begin().await?;
        changes_after(&mut transaction, revision, &self.keyring).await
    }

    async fn revision(&self, number: u64) -> Result<Option<(Revision, Vec<Change>)>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let mut transaction = connection.begin().await?;
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
    }

    async fn revisions(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Revision>, StoreError> {
        let rows = sqlx::query_as(sql::REVISIONS)
            .bind(signed(before.unwrap_or(u64::MAX)))
            .bind(i64::from(limit))
            .fetch_all(&self.readers);
        let rows = rows.await?.into_iter();
        rows.map(document::revision).collect()
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        self.file.check()?;
        let write = write::begin(
            &self.writer,
            self.committed.clone(),
            Arc::clone(&self.keyring),
        );
        Ok(Box::new(bounded(self.timeout * 2, write).await?))
    }

    async fn hint(&self) {
        self.committed.notified().await;
    }

    async fn trim(&self, keep_ms: i64, keep_revisions: u64) -> Result<u64, StoreError> {
        let mut transaction = self.writer.begin_with("begin immediate").await?;
        let (head, trimmed) = head(&mut transaction).await?;
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
    }
}

//! From a URL to a store. The back end follows from the URL alone; there is no default and no fallback.

use std::{sync::Arc, time::Duration};

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

use super::{Store, StoreError, postgres::Postgres, sealing, sqlite::Sqlite};
use crate::secrets::Keyring;

/// How a store may use its database.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Connections for reads; writes have one of their own. 1 to 100; default 4.
    pub read_connections: u32,
    /// Longest wait for a connection, a lock or a statement; default 5 s. A database that is gone
    /// is an error after this time, not a hang.
    pub timeout: Duration,
    /// What secrets are encrypted with; default: no key, and then none can be stored.
    pub keyring: Arc<Keyring>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            read_connections: 4,
            timeout: Duration::from_secs(5),
            keyring: Arc::default(),
        }
    }
}

/// Opens the database at a URL, `postgres://...` or `sqlite:PATH`, and brings its schema up to date. An
/// SQLite file is created when missing.
///
/// # Errors
/// A URL of another form, a database that does not answer or refuses, a schema that is newer than this
/// version; a master key that the database's secrets are encrypted with is not there.
pub async fn open(url: &str, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
    let store: Arc<dyn Store> = match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => Arc::new(Postgres::open(url, settings).await?),
        Some(("sqlite", path)) => Arc::new(Sqlite::open(path, settings).await?),
        // The rest of the URL may hold a password.
        Some((scheme, _)) => {
            return Err(StoreError::Url(format!(
                "a database URL begins with `postgres://` or `sqlite:`, not with `{scheme}:`"
            )));
        }
        None => {
            let reason = "a database URL begins with `postgres://` or `sqlite:`";
            return Err(StoreError::Url(reason.to_owned()));
        }
    };
    sealing::check(&*store, &settings.keyring).await?;
    Ok(store)
}

/// Embedded migrations: number, description, SQL.
pub(super) fn migrator(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let step = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        let simple = MigrationType::Simple;
        Migration::new(
            version,
            description.into(),
            simple,
            sql.into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(steps.iter().map(step).collect())
}

/// Bounds what waits for a database, since a connection to a host that vanished answers never.
pub(super) async fn bounded<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::Database(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

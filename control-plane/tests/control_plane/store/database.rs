//! A database of its own for each test, gone afterwards.

use std::{env, sync::Arc};

use gatewright_control_plane::{
    secrets::Keyring,
    store::{Authorship, Edit, Store, StoreError, StoreSettings, open},
};
use gatewright_proto::{Key, Kind, Resource};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

const VARIABLE: &str = "GATEWRIGHT_TEST_POSTGRES_URL";

/// What secrets are encrypted with in it.
pub(crate) const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// An empty database, and what to remove at the end.
pub(crate) enum Database {
    /// On the server that `./test` started.
    Postgres {
        /// Where databases are created and dropped.
        server: String,
        /// Its name.
        name: String,
    },
    /// A file.
    Sqlite(tempfile::TempDir),
}

impl Database {
    /// One of each back end.
    pub(crate) async fn both() -> [Self; 2] {
        [Self::postgres().await, Self::sqlite()]
    }

    /// A new one in Postgres.
    pub(crate) async fn postgres() -> Self {
        let server = env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("{VARIABLE} is not set: run these tests through ./test, which starts Postgres")
        });
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        on_server(&server, format!("create database {name}")).await;
        Self::Postgres { server, name }
    }

    /// A new one in a file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a folder for the file"))
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres { server, name } => {
                let (server, _) = server.rsplit_once('/').expect("a URL with a database");
                format!("{server}/{name}")
            }
            Self::Sqlite(dir) => format!("sqlite:{}", dir.path().join("store.db").display()),
        }
    }

    /// A store on it.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        let opened = self.open_with(MASTER_KEY).await;
        opened.unwrap_or_else(|error| panic!("{}: {error:?}", self.url()))
    }

    /// A store on it, with these master keys.
    pub(crate) async fn open_with(&self, keys: &str) -> Result<Arc<dyn Store>, StoreError> {
        let settings = StoreSettings {
            keyring: Arc::new(Keyring::parse(keys).unwrap()),
            ..StoreSettings::default()
        };
        open(&self.url(), &settings).await
    }

    /// All that is in it, as text.
    pub(crate) async fn dump(&self) -> String {
        let mut dump = String::new();
        let bodies = "select kind || name || cast(body as text) || version from resource";
        let history = "select kind || name || coalesce(cast(before as text), '') || coalesce(cast(after as text), '')
                       from change";
        for statement in [bodies, history] {
            let rows: Vec<String> = match self {
                Self::Postgres { .. } => {
                    let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                    let rows = sqlx::query_scalar(statement);
                    rows.fetch_all(&mut connection).await.unwrap()
                }
                Self::Sqlite(_) => {
                    let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
                    let rows = sqlx::query_scalar(statement);
                    rows.fetch_all(&mut connection).await.unwrap()
                }
            };
            dump.extend(rows.into_iter().map(|row| row + "\n"));
        }
        if let Self::Sqlite(dir) = self {
            for file in std::fs::read_dir(dir.path()).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                dump.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        dump
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn execute(&self, statement: &'static str) {
        let done = match self {
            Self::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                let done = sqlx::query(statement).execute(&mut connection).await;
                done.map(|done| done.rows_affected())
            }
            Self::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
                let done = sqlx::query(statement).execute(&mut connection).await;
                done.map(|done| done.rows_affected())
            }
        };
        assert_ne!(done.unwrap(), 0, "{statement}");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server, name } = self else {
            return;
        };
        let (server, name) = (server.clone(), name.clone());
        // A runtime cannot be waited for within another.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let statement = format!("drop database if exists {name} with (force)");
            runtime.unwrap().block_on(on_server(&server, statement));
        });
        dropped.join().expect("the database is dropped");
    }
}

async fn on_server(server: &str, statement: String) {
    let connected = PgConnection::connect(server).await;
    let mut connection = connected.unwrap_or_else(|error| panic!("{server}: {error}"));
    let done = sqlx::query(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await;
    done.unwrap();
}

/// Writes a service of this name whose path says what it is.
pub(crate) fn service(name: &str, path: &str) -> Edit {
    let json = json!({"name": name, "url": "http://127.0.0.1:1", "path": path});
    let resource = Kind::Service.from_json(json).unwrap();
    put(resource)
}

/// Writes a resource.
pub(crate) fn put(resource: Resource) -> Edit {
    Edit {
        key: Key::of(&resource),
        after: Some(Arc::new(resource)),
    }
}

/// Deletes the service of this name.
pub(crate) fn delete(name: &str) -> Edit {
    Edit {
        key: Key::new(Kind::Service, name),
        after: None,
    }
}

/// Commits edits; returns the revision and how many resources changed.
pub(crate) async fn commit(store: &dyn Store, edits: Vec<Edit>) -> (u64, usize) {
    let transaction = store.begin().await.unwrap();
    let by = Authorship {
        author: "tester".to_owned(),
        comment: "a test".to_owned(),
        ..Authorship::default()
    };
    let (revision, changes) = transaction.commit(edits, by).await.unwrap();
    (revision, changes.len())
}

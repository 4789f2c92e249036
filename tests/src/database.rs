//! A database of its own for each test, gone afterwards.

use std::env;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const VARIABLE: &str = "GATEWRIGHT_TEST_POSTGRES_URL";

/// An empty database in Postgres, on the server that `./test` started.
#[derive(Debug)]
pub struct Postgres {
    server: String,
    name: String,
}

impl Postgres {
    /// A new one.
    ///
    /// # Panics
    /// There is no server.
    pub async fn create() -> Self {
        let server = env::var(VARIABLE).unwrap_or_else(|_| {
            panic!("{VARIABLE} is not set: run these tests through ./test, which starts Postgres")
        });
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        on_server(&server, format!("create database {name}")).await;
        Self { server, name }
    }

    /// Its URL.
    ///
    /// # Panics
    /// The server's URL names no database.
    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    /// Takes it away, from under whoever uses it.
    pub async fn lose(&self) {
        on_server(&self.server, self.farewell()).await;
    }

    fn farewell(&self) -> String {
        format!("drop database if exists {} with (force)", self.name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (server, statement) = (self.server.clone(), self.farewell());
        // A runtime cannot be waited for within another.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(on_server(&server, statement));
        });
        let _ = dropped.join();
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

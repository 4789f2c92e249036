//! A server that speaks the part of HashiCorp Vault that is read of it: secrets of the engine KV version 2.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The one token that it accepts.
pub const VAULT_TOKEN: &str = "a-token-of-vault";

#[derive(Debug, Default)]
struct Kept {
    secrets: BTreeMap<String, Value>,
    sealed: bool,
    reads: usize,
}

/// A running Vault, until the runtime ends.
#[derive(Clone, Debug)]
pub struct Vault {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Vault {
    /// Starts one that has nothing.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vault = Self {
            address: listener.local_addr().unwrap(),
            kept: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/{mount}/data/{*path}", get(read))
            .with_state(vault.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        vault
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Keeps the fields of a secret, `MOUNT/PATH`.
    ///
    /// # Panics
    /// A test that uses it has.
    pub fn put(&self, path: &str, fields: Value) {
        let mut kept = self.kept.lock().unwrap();
        kept.secrets.insert(path.to_owned(), fields);
    }

    /// Whether it tells nothing, as after a restart.
    ///
    /// # Panics
    /// A test that uses it has.
    pub fn seal(&self, sealed: bool) {
        self.kept.lock().unwrap().sealed = sealed;
    }

    /// How often it was asked.
    ///
    /// # Panics
    /// A test that uses it has.
    pub fn reads(&self) -> usize {
        self.kept.lock().unwrap().reads
    }
}

async fn read(
    State(vault): State<Vault>,
    Path((mount, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let errors = |status: StatusCode| (status, Json(json!({"errors": []}))).into_response();
    let mut kept = vault.kept.lock().unwrap();
    kept.reads += 1;
    if headers
        .get("x-vault-token")
        .is_none_or(|it| it != VAULT_TOKEN)
    {
        return errors(StatusCode::FORBIDDEN);
    }
    if kept.sealed {
        return errors(StatusCode::SERVICE_UNAVAILABLE);
    }
    match kept.secrets.get(&format!("{mount}/{path}")) {
        Some(fields) => {
            let metadata = json!({"version": 1, "destroyed": false});
            Json(json!({"data": {"data": fields, "metadata": metadata}})).into_response()
        }
        None => errors(StatusCode::NOT_FOUND),
    }
}

//! An upstream that answers with what it was asked.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Serves until it is dropped.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    _stop: DropGuard,
}

impl Upstream {
    /// Starts one.
    ///
    /// # Panics
    /// There is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = gatewright::echo::serve(listener, "upstream".to_owned(), stop.clone());
        tokio::spawn(served);
        Self {
            address,
            _stop: stop.drop_guard(),
        }
    }

    /// The service that it is, by the name `echo`.
    pub fn service(&self) -> Value {
        json!({"name": "echo", "url": format!("http://{}", self.address)})
    }
}

/// A route by this name to the service `echo`.
pub fn route(name: &str, prefix: &str) -> Value {
    json!({"name": name, "service": "echo", "paths": [{"prefix": prefix}]})
}

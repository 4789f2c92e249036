//! A node under test.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use clap::{Args as _, Command, FromArgMatches as _};
use gatewright_data_plane::{Node, NodeSettings};
use gatewright_engine::{
    live::{Change, Live},
    plugin::Registry,
};
use gatewright_proto::{Key, Kind, Resource, Version};
use serde_json::Value;

/// A node and what it holds.
pub(crate) struct Gateway {
    pub(crate) node: Node,
    live: Live,
}

impl Gateway {
    /// Starts a node on free ports.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a node with more flags.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let mut arguments = vec![
            "node",
            "--http-listen",
            "127.0.0.1:0",
            "--https-listen",
            "127.0.0.1:0",
            "--status-listen",
            "127.0.0.1:0",
            "--access-log",
            "off",
            "--workers",
            "1",
            "--control-plane",
            "",
            "--drain-timeout-ms",
            "5000",
        ];
        arguments.extend(flags);
        let command = NodeSettings::augment_args(Command::new("node")).args_override_self(true);
        let matches = command.get_matches_from(arguments);
        let settings = NodeSettings::from_arg_matches(&matches).unwrap();
        let node = Node::start(&settings).await.unwrap();
        let registry = Registry {
            clients: node.clients().clone(),
            ..Registry::default()
        };
        Self {
            node,
            live: Live::new(registry),
        }
    }

    /// Adds or changes resources, and serves them.
    pub(crate) fn apply(&mut self, resources: &[(Kind, Value)]) {
        let read = |(kind, value): &(Kind, Value)| -> (Key, Version, Option<Resource>) {
            let resource = kind.from_json(value.clone()).unwrap();
            (Key::of(&resource), Version::of(&resource), Some(resource))
        };
        let change = Change {
            revision: self.live.revision + 1,
            upserts: resources.iter().map(read).collect(),
            ..Change::default()
        };
        let rejects = self.live.apply(change);
        assert!(rejects.is_empty(), "{rejects:?}");
        self.node.publisher().hold(&self.live);
        self.node.ready();
    }

    /// Sends bytes and returns everything that comes back until the connection is closed.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        exchange(self.node.http, request).await
    }

    /// A GET of the node's own interface.
    pub(crate) async fn status(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        exchange(self.node.status, request.as_bytes()).await
    }

    /// What it tells of an upstream's targets, by name: `healthy`, `ejected` and `reason`.
    pub(crate) async fn targets(&self) -> BTreeMap<String, Value> {
        let answer = self.status("/report").await;
        let report: Value = serde_json::from_str(body(&answer)).unwrap();
        let targets = report["targets"].as_array().unwrap().clone();
        let named = |row: Value| (row["target"].as_str().unwrap().to_owned(), row);
        targets.into_iter().map(named).collect()
    }

    /// The value of a line of `/metrics`; 0 where there is none.
    pub(crate) async fn metric(&self, line: &str) -> u64 {
        let answer = self.status("/metrics").await;
        let value = answer.lines().find_map(|it| it.strip_prefix(line));
        value.map_or(0, |it| it.trim().parse().unwrap())
    }

    /// A GET on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        self.raw(request.as_bytes()).await
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let request = request.to_vec();
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // The node may refuse and close before it has read everything.
        let _ = socket.write_all(&request);
        let mut answer = Vec::new();
        if let Err(error) = socket.read_to_end(&mut answer) {
            assert!(!answer.is_empty(), "{error}");
        }
        String::from_utf8_lossy(&answer).into_owned()
    });
    exchanged.await.unwrap()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer
        .get(9..12)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The body of an answer that is not chunked.
pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patience = Duration::from_secs(10);
    let waited = tokio::time::timeout(patience, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {patience:?}"));
}

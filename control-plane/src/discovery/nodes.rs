//! Who is connected, at which revision, and what was refused.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatewright_proto::v1::{Hello, Reject, Report};
use serde::Serialize;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// A node as the admin API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct NodeView {
    /// Its name.
    pub node_id: String,
    /// Differs for each start of its process.
    pub boot_id: String,
    /// Group of nodes.
    pub group: String,
    /// Version of its software.
    pub version: String,
    /// Where it connects from.
    pub address: String,
    /// Where it serves traffic.
    pub listeners: Vec<String>,
    /// How long it has been connected.
    pub connected_seconds: u64,
    /// The newest revision that it has acknowledged.
    pub applied_revision: u64,
    /// Exchanges in flight, as last reported.
    pub in_flight: u64,
    /// Requests since its start, as last reported.
    pub requests: u64,
    /// What it refused, and why.
    pub rejects: Vec<Refusal>,
}

/// One resource that a node refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// As `route/orders`.
    pub resource: String,
    /// Path within it.
    pub field: String,
    /// Stable.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// A node that has not applied a revision.
#[derive(Clone, Debug, Serialize)]
pub struct Lagging {
    /// Its name.
    pub node_id: String,
    /// What it has applied.
    pub applied_revision: u64,
}

#[derive(Debug)]
struct Node {
    hello: Hello,
    address: String,
    since: Instant,
    applied: u64,
    report: Report,
    rejects: BTreeMap<(String, String), Vec<Refusal>>,
    /// Ends the session, when another one takes its place.
    replaced: CancellationToken,
}

/// All connected nodes.
#[derive(Clone, Debug)]
pub struct Nodes {
    nodes: Arc<Mutex<BTreeMap<String, Node>>>,
    /// Changes whenever a node comes, goes or applies something.
    moved: watch::Sender<u64>,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            nodes: Arc::default(),
            moved: watch::Sender::new(0),
        }
    }
}

impl Nodes {
    /// All of them, in order of name.
    pub fn list(&self) -> Vec<NodeView> {
        let nodes = self.lock();
        let view = |(id, node): (&String, &Node)| NodeView {
            node_id: id.clone(),
            boot_id: node.hello.boot_id.clone(),
            group: node.hello.group.clone(),
            version: node.hello.version.clone(),
            address: node.address.clone(),
            listeners: node.hello.listeners.clone(),
            connected_seconds: node.since.elapsed().as_secs(),
            applied_revision: node.applied,
            in_flight: node.report.in_flight,
            requests: node.report.requests,
            rejects: node.rejects.values().flatten().cloned().collect(),
        };
        nodes.iter().map(view).collect()
    }

    /// Waits until every connected node has applied a revision. One that refused some of it counts:
    /// its rejects are in the list.
    ///
    /// # Errors
    /// The nodes that had not when time was up.
    pub async fn wait_applied(
        &self,
        revision: u64,
        patience: Duration,
    ) -> Result<(), Vec<Lagging>> {
        let mut moved = self.moved.subscribe();
        let applied = async {
            while !self.lagging(revision).is_empty() {
                if moved.changed().await.is_err() {
                    return;
                }
            }
        };
        match timeout(patience, applied).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.lagging(revision)),
        }
    }

    fn lagging(&self, revision: u64) -> Vec<Lagging> {
        let nodes = self.lock();
        let behind = nodes.iter().filter(|(_, node)| node.applied < revision);
        let lagging = |(id, node): (&String, &Node)| Lagging {
            node_id: id.clone(),
            applied_revision: node.applied,
        };
        behind.map(lagging).collect()
    }

    /// Takes a node in. An older stream of the same name is ended: the newest wins.
    pub(super) fn enter(&self, hello: Hello, address: String) -> CancellationToken {
        let replaced = CancellationToken::new();
        let id = hello.node_id.clone();
        let node = Node {
            hello,
            address,
            since: Instant::now(),
            applied: 0,
            report: Report::default(),
            rejects: BTreeMap::new(),
            replaced: replaced.clone(),
        };
        if let Some(before) = self.lock().insert(id.clone(), node) {
            tracing::warn!(node.id = %id, "another stream of this node was open and is closed");
            before.replaced.cancel();
        }
        self.tell();
        replaced
    }

    /// Lets it go, unless another stream has taken its place.
    pub(super) fn leave(&self, id: &str, token: &CancellationToken) {
        if !token.is_cancelled() {
            self.lock().remove(id);
            self.tell();
        }
    }

    pub(super) fn applied(&self, id: &str, revision: u64, rejects: &[Reject]) {
        if let Some(node) = self.lock().get_mut(id) {
            node.applied = revision;
            for reject in rejects {
                let key = (reject.kind.clone(), reject.name.clone());
                node.rejects.entry(key).or_default().push(Refusal {
                    resource: format!("{}/{}", reject.kind, reject.name),
                    field: reject.field.clone(),
                    code: reject.code.clone(),
                    reason: reject.reason.clone(),
                });
            }
        }
        self.tell();
    }

    /// A new version of a resource is sent: what was said of the old one is over.
    pub(super) fn forget_reject(&self, id: &str, kind: &str, name: &str) {
        if let Some(node) = self.lock().get_mut(id) {
            node.rejects.remove(&(kind.to_owned(), name.to_owned()));
        }
    }

    pub(super) fn reported(&self, id: &str, report: Report) {
        if let Some(node) = self.lock().get_mut(id) {
            node.report = report;
        }
    }

    fn tell(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Who is connected, at which revision, and what was refused.

mod registration;
mod view;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gatewright_proto::v1::{Hello, NodeReport, Report};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{holding::Deviations, metrics::Metrics};
pub(super) use registration::Registration;
pub use view::{Lagging, NodeState, NodeView, Refusal};

/// All connected nodes.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    here: Mutex<BTreeMap<String, Node>>,
    /// Changes whenever a node comes, goes or applies something.
    moved: watch::Sender<u64>,
    metrics: Metrics,
}

/// A connected node.
#[derive(Debug)]
struct Node {
    /// Which stream of it, counted.
    stream: u64,
    hello: Hello,
    address: String,
    since: Instant,
    connected_since_ms: u64,
    applied: u64,
    digest_ok: bool,
    /// Since when there has been something that it has not applied.
    behind_since: Option<Instant>,
    /// Why it refused all of a delta.
    stuck: Option<String>,
    compile_us: u64,
    withheld: Vec<String>,
    report: Report,
    /// How its parts fare.
    facts: NodeReport,
    deviations: Deviations,
    /// Ends the session, when another one takes its place.
    replaced: CancellationToken,
}

impl Nodes {
    /// All that are connected to this control plane, in order of name.
    pub fn list(&self) -> Vec<NodeView> {
        let nodes = lock(&self.shared.here);
        let view = |(id, node): (&String, &Node)| NodeView::of(id, node);
        nodes.iter().map(view).collect()
    }

    /// Waits until every node that is connected to this control plane has applied a revision. One that refused some of it counts:
    /// its rejects are in the list.
    ///
    /// # Errors
    /// The nodes that had not when time was up.
    pub async fn wait_applied(
        &self,
        revision: u64,
        patience: Duration,
    ) -> Result<(), Vec<Lagging>> {
        let mut moved = self.shared.moved.subscribe();
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

    /// What the streams cost and how they go.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Follows what happens: changes whenever a node comes, goes or applies something.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.shared.moved.subscribe()
    }

    fn lagging(&self, revision: u64) -> Vec<Lagging> {
        let behind = |view: &NodeView| view.applied_revision < revision;
        let nodes = self.list().into_iter().filter(behind);
        nodes.map(Lagging::from).collect()
    }

    /// Takes a node in. An older stream of the same name is ended: the newest wins.
    pub(super) fn enter(&self, hello: &Hello, address: String) -> Registration {
        let (id, replaced) = (hello.node_id.clone(), CancellationToken::new());
        let mut here = lock(&self.shared.here);
        let before = here.remove(&id);
        let stream = before.as_ref().map_or(0, |before| before.stream + 1);
        let resumed = hello.resume.as_ref().map_or(0, |resume| resume.revision);
        let node = Node {
            stream,
            hello: Hello {
                resume: None,
                ..hello.clone()
            },
            address,
            since: Instant::now(),
            connected_since_ms: unix_ms(),
            applied: 0,
            digest_ok: true,
            behind_since: Some(Instant::now()),
            stuck: None,
            compile_us: 0,
            withheld: Vec::new(),
            report: Report {
                applied_revision: resumed,
                ..Report::default()
            },
            facts: NodeReport::default(),
            deviations: Deviations::new(),
            replaced: replaced.clone(),
        };
        here.insert(id.clone(), node);
        drop(here);
        if let Some(before) = before {
            if before.hello.boot_id == hello.boot_id {
                tracing::debug!(node.id = %id, "the node has opened another stream");
            } else {
                tracing::warn!(node.id = %id, "another node of this name, or a restarted one: the older stream is closed");
            }
            before.replaced.cancel();
        }
        self.tell();
        Registration {
            nodes: self.clone(),
            id,
            stream,
            replaced,
        }
    }

    fn tell(&self) {
        self.shared.moved.send_modify(|count| *count += 1);
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

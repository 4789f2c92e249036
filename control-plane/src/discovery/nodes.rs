//! Who is connected, at which revision, and what was refused.

mod registration;
mod untold;
mod uses;
mod view;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use gatewright_proto::v1::{Hello, NodeReport, Report};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{holding::Deviations, metrics::Metrics};
use crate::store::Applied;
pub(super) use registration::Registration;
pub(super) use untold::{Mark, Untelling, Untold};
use uses::Uses;
pub use view::{Lagging, NodeState, NodeView, Refusal};

/// How far a node's clock may be from this one's, in milliseconds, for its word to order its streams.
const MAX_SKEW_MS: u64 = 60_000;

/// The nodes that are connected to this control plane.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    here: Mutex<BTreeMap<String, Node>>,
    /// Changes whenever a node comes, goes or applies something.
    moved: watch::Sender<u64>,
    /// What other control planes have yet to be told.
    untold: Untold,
    uses: Uses,
    metrics: Metrics,
}

/// A connected node.
#[derive(Debug)]
struct Node {
    /// Orders its streams, over all control planes.
    stream: u64,
    hello: Hello,
    address: String,
    connected_since_ms: u64,
    applied: u64,
    digest: Vec<u8>,
    digest_ok: bool,
    /// Since when there has been something that it has not applied, in Unix milliseconds.
    behind_since_ms: Option<u64>,
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
    /// All of them, in order of name.
    pub fn list(&self) -> Vec<NodeView> {
        self.views().into_iter().map(|(_, view)| view).collect()
    }

    /// All of them, with their streams.
    pub(super) fn views(&self) -> Vec<(u64, NodeView)> {
        let nodes = lock(&self.shared.here);
        let view = |(id, node): (&String, &Node)| (node.stream, NodeView::of(id, node));
        nodes.iter().map(view).collect()
    }

    /// One of them, with its stream.
    pub(super) fn find(&self, id: &str) -> Option<(u64, NodeView)> {
        let nodes = lock(&self.shared.here);
        let node = nodes.get(id)?;
        Some((node.stream, NodeView::of(id, node)))
    }

    /// What each has applied.
    pub(super) fn applied(&self) -> Vec<Applied> {
        let nodes = lock(&self.shared.here);
        let applied = |(id, node): (&String, &Node)| Applied {
            node_id: id.clone(),
            stream: node.stream,
            revision: node.applied,
        };
        nodes.iter().map(applied).collect()
    }

    /// How many tokens each key set had no key for, as the nodes have counted, by its name.
    pub(crate) fn unknown_keys(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for node in lock(&self.shared.here).values() {
            for row in &node.facts.key_sets {
                *counts.entry(row.key_set.clone()).or_default() += row.unknown_keys;
            }
        }
        counts
    }

    /// What other control planes have yet to be told.
    pub(super) fn untold(&self) -> &Untold {
        &self.shared.untold
    }

    /// When credentials were used, as the database has yet to be told.
    pub(super) fn uses(&self) -> &Uses {
        &self.shared.uses
    }

    /// What the streams cost and how they go.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Follows what happens: changes whenever a node comes, goes or applies something.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.shared.moved.subscribe()
    }

    /// Takes a node in. An older stream of the same name is ended: the newest wins.
    pub(super) fn enter(&self, hello: &Hello, address: String) -> Registration {
        let (id, replaced) = (hello.node_id.clone(), CancellationToken::new());
        let mut here = lock(&self.shared.here);
        let before = here.remove(&id);
        let now = unix_ms();
        let claimed = Some(hello.stream).filter(|it| it.abs_diff(now) <= MAX_SKEW_MS);
        let least = before.as_ref().map_or(0, |before| before.stream + 1);
        let stream = claimed.unwrap_or(now).max(least);
        let resumed = hello.resume.as_ref().map_or(0, |resume| resume.revision);
        let node = Node {
            stream,
            hello: Hello {
                resume: None,
                ..hello.clone()
            },
            address,
            connected_since_ms: now,
            applied: 0,
            digest: Vec::new(),
            digest_ok: true,
            behind_since_ms: Some(now),
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
        let announced = self.untold().mark(&id, stream, Mark::Urgent);
        self.tell();
        Registration {
            nodes: self.clone(),
            announced,
            id,
            stream,
            replaced,
        }
    }

    /// Has other control planes told of all of them.
    pub(super) fn mark_all(&self) {
        for node in self.applied() {
            self.untold().mark(&node.node_id, node.stream, Mark::Facts);
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

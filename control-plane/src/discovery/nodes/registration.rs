//! A node's place among the connected ones, held by its session.

use std::time::Duration;

use gatewright_proto::v1::{NodeReport, Report};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Mark, Node, Nodes, lock, unix_ms};
use crate::discovery::{holding::Deviations, metrics::Metrics};

/// Most bytes of what a node tells of its parts.
const MAX_FACTS_BYTES: usize = 80 << 10;

/// How long a node waits until other control planes have been told of it.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_millis(500);

/// Its place; given up when dropped.
#[derive(Debug)]
pub(in crate::discovery) struct Registration {
    pub(super) nodes: Nodes,
    pub(super) id: String,
    pub(super) stream: u64,
    /// When all control planes have been told of it.
    pub(super) announced: u64,
    pub(super) replaced: CancellationToken,
}

impl Registration {
    /// The node's name.
    pub(in crate::discovery) fn id(&self) -> &str {
        &self.id
    }

    /// Cancelled when another stream has taken this place.
    pub(in crate::discovery) const fn replaced(&self) -> &CancellationToken {
        &self.replaced
    }

    /// Returns when other control planes can know of it, so that from its welcome on a write on any of them
    /// waits for it. Where the database does not answer it is not kept waiting for long.
    pub(in crate::discovery) async fn announced(&self) {
        let untold = self.nodes.untold();
        untold.wait(self.announced, ANNOUNCE_TIMEOUT).await;
    }

    /// It holds what the store has at a revision, but for deviations. Tells which are new.
    pub(in crate::discovery) fn applied(&self, revision: u64, deviations: &Deviations) {
        let mut fresh = 0;
        self.with(Mark::Urgent, |node| {
            for (key, deviation) in deviations {
                let known = node.deviations.get(key);
                if known.is_some_and(|known| known.refused == deviation.refused) {
                    continue;
                }
                fresh += 1;
                let mistake = deviation.mistakes.first();
                let reason = mistake.map_or("it does not say why", |it| it.reason.as_str());
                let field = mistake.map_or("", |it| it.field.as_str());
                tracing::warn!(node.id = %self.id, resource = %key, field, reason, "a node refuses a resource");
            }
            node.applied = revision;
            node.deviations = deviations.clone();
            node.stuck = None;
        });
        Metrics::add(&self.nodes.metrics().rejects, fresh);
        self.nodes.tell();
    }

    /// There is something that it has not applied.
    pub(in crate::discovery) fn behind(&self, withheld: Vec<String>) {
        self.with(Mark::Later, |node| {
            node.behind_since_ms.get_or_insert_with(unix_ms);
            node.withheld = withheld;
        });
    }

    /// It has applied all there is.
    pub(in crate::discovery) fn current(&self) {
        self.with_if(
            |node| node.behind_since_ms.is_some(),
            Mark::Later,
            |node| node.behind_since_ms = None,
        );
    }

    /// It refused all of a delta.
    pub(in crate::discovery) fn stuck(&self, reason: String) {
        tracing::error!(node.id = %self.id, reason, "a node refused a whole delta; it is asked what it holds when there is another one");
        self.with(Mark::Urgent, |node| node.stuck = Some(reason));
        self.nodes.tell();
    }

    /// Whether its digest is what it should be.
    pub(in crate::discovery) fn digest(&self, digest: &[u8], fits: bool, compile_us: u64) {
        self.with(Mark::Later, |node| {
            node.digest = digest.to_vec();
            (node.digest_ok, node.compile_us) = (fits, compile_us);
        });
    }

    /// It has told how it goes.
    pub(in crate::discovery) fn reported(&self, report: Report) {
        self.with(Mark::Later, |node| node.report = report);
    }

    /// It has told how its parts fare.
    pub(in crate::discovery) fn fares(&self, mut report: NodeReport) -> Result<(), Status> {
        if report.encoded_len() > MAX_FACTS_BYTES {
            return Err(Status::resource_exhausted("a node report of over 80 KiB"));
        }
        // Facts of the credentials, not of the node: kept elsewhere.
        let uses = std::mem::take(&mut report.credentials);
        self.nodes.uses().note(uses);
        self.with_if(
            |node| node.facts != report,
            Mark::Facts,
            |node| node.facts = report.clone(),
        );
        Ok(())
    }

    fn with(&self, mark: Mark, change: impl FnOnce(&mut Node)) {
        self.with_if(|_| true, mark, change);
    }

    fn with_if(
        &self,
        condition: impl FnOnce(&Node) -> bool,
        mark: Mark,
        change: impl FnOnce(&mut Node),
    ) {
        let mut here = lock(&self.nodes.shared.here);
        let node = here.get_mut(&self.id).filter(|it| it.stream == self.stream);
        if let Some(node) = node.filter(|it| condition(it)) {
            change(node);
            drop(here);
            self.nodes.untold().mark(&self.id, self.stream, mark);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut here = lock(&self.nodes.shared.here);
        if here
            .get(&self.id)
            .is_some_and(|it| it.stream == self.stream)
        {
            here.remove(&self.id);
        }
        drop(here);
        self.nodes.untold().mark(&self.id, self.stream, Mark::Gone);
        self.nodes.tell();
    }
}

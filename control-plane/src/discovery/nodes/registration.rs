//! A node's place among the connected ones, held by its session.

use std::time::Instant;

use gatewright_proto::v1::{NodeReport, Report};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Node, Nodes, lock};
use crate::discovery::{holding::Deviations, metrics::Metrics};

/// Most bytes of what a node tells of its parts.
const MAX_FACTS_BYTES: usize = 80 << 10;

/// Its place; given up when dropped.
#[derive(Debug)]
pub(in crate::discovery) struct Registration {
    pub(super) nodes: Nodes,
    pub(super) id: String,
    pub(super) stream: u64,
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

    /// It holds what the store has at a revision, but for deviations. Tells which are new.
    pub(in crate::discovery) fn applied(&self, revision: u64, deviations: &Deviations) {
        let mut fresh = 0;
        self.with(|node| {
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
        self.with(|node| {
            node.behind_since.get_or_insert_with(Instant::now);
            node.withheld = withheld;
        });
    }

    /// It has applied all there is.
    pub(in crate::discovery) fn current(&self) {
        self.with(|node| node.behind_since = None);
    }

    /// It refused all of a delta.
    pub(in crate::discovery) fn stuck(&self, reason: String) {
        tracing::error!(node.id = %self.id, reason, "a node refused a whole delta; it is asked what it holds when there is another one");
        self.with(|node| node.stuck = Some(reason));
        self.nodes.tell();
    }

    /// Whether its digest is what it should be.
    pub(in crate::discovery) fn digest(&self, fits: bool, compile_us: u64) {
        self.with(|node| (node.digest_ok, node.compile_us) = (fits, compile_us));
    }

    /// It has told how it goes.
    pub(in crate::discovery) fn reported(&self, report: Report) {
        self.with(|node| node.report = report);
    }

    /// It has told how its parts fare.
    pub(in crate::discovery) fn fares(&self, report: NodeReport) -> Result<(), Status> {
        if report.encoded_len() > MAX_FACTS_BYTES {
            return Err(Status::resource_exhausted("a node report of over 80 KiB"));
        }
        self.with(|node| node.facts = report);
        Ok(())
    }

    fn with(&self, change: impl FnOnce(&mut Node)) {
        let mut here = lock(&self.nodes.shared.here);
        if let Some(node) = here.get_mut(&self.id).filter(|it| it.stream == self.stream) {
            change(node);
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
        self.nodes.tell();
    }
}

//! Tells other control planes, through the database, of the nodes of this one.
//!
//! What changes while a batch is written is the next batch, so that a thousand nodes that apply one revision
//! are a few statements.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::{
    discovery::nodes::{NodeView, Nodes, Untelling},
    store::{Member, NodeRow, Store, StoreError},
};

/// How often this control plane says that it lives, and tells what nobody waits for.
const BEAT: Duration = Duration::from_secs(2);
/// Waits for more, since nodes apply a revision about together.
const GATHER: Duration = Duration::from_millis(5);
/// Most nodes in one statement.
const MAX_ROWS: usize = 500;
/// Most mistakes of one node that are told; that node's control plane knows all.
const MAX_REJECTS: usize = 100;
/// Time to say that this control plane ends.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Tells of the nodes of this control plane.
#[derive(Debug)]
pub(super) struct Teller<'f> {
    nodes: &'f Nodes,
    store: &'f Arc<dyn Store>,
    member: &'f Member,
    /// Whether the database takes what is told.
    failing: bool,
}

impl<'f> Teller<'f> {
    pub(super) const fn new(
        nodes: &'f Nodes,
        store: &'f Arc<dyn Store>,
        member: &'f Member,
    ) -> Self {
        Self {
            nodes,
            store,
            member,
            failing: false,
        }
    }

    /// Tells for as long as it is polled.
    pub(super) async fn run(&mut self) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one comes before anything else: only nodes of a control plane that lives count.
        beats.tick().await;
        let told = self.beat().await;
        self.went(&told);
        loop {
            tokio::select! {
                // While the database does not answer, the beat is the one that tries.
                () = self.nodes.untold().urgent(), if !self.failing => {
                    sleep(GATHER).await;
                    let told = self.tell().await;
                    self.went(&told);
                }
                _ = beats.tick() => {
                    let told = self.beat().await;
                    self.went(&told);
                }
            }
        }
    }

    /// Says that this control plane ends.
    pub(super) async fn leave(&self) {
        let end = async {
            self.tell().await?;
            self.store.leave(self.member).await
        };
        self.nodes.untold().telling(false);
        match timeout(LEAVE_TIMEOUT, end).await {
            Ok(Ok(())) => {}
            // Others find out by themselves, a little later.
            Ok(Err(_)) | Err(_) => tracing::debug!("could not say that this control plane ends"),
        }
    }

    async fn beat(&self) -> Result<(), StoreError> {
        self.store.beat(self.member).await?;
        if self.failing {
            // It may be another database than before.
            self.nodes.mark_all();
        }
        self.tell().await
    }

    fn went(&mut self, told: &Result<(), StoreError>) {
        if let Err(error) = told
            && !self.failing
        {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "cannot tell other control planes of the nodes here");
        }
        self.failing = told.is_err();
        self.nodes.untold().telling(!self.failing);
    }

    async fn tell(&self) -> Result<(), StoreError> {
        let untold = self.nodes.untold();
        let (mut batch, mark) = untold.take();
        while !batch.is_empty() {
            let last = batch.keys().nth(MAX_ROWS).cloned();
            let rest = last.map(|last| batch.split_off(&last));
            let rows: Vec<NodeRow> = batch.iter().filter_map(|it| self.row(it)).collect();
            if let Err(error) = self.store.tell(&self.member.instance, &rows).await {
                untold.put_back(batch);
                untold.put_back(rest.unwrap_or_default());
                return Err(error);
            }
            batch = rest.unwrap_or_default();
        }
        untold.told(mark);
        Ok(())
    }

    /// What is told of one node.
    fn row(&self, (id, untelling): (&String, &Untelling)) -> Option<NodeRow> {
        let gone = NodeRow {
            node_id: id.clone(),
            stream: untelling.stream,
            connected: false,
            applied_revision: 0,
            body: String::new(),
            facts: String::new(),
        };
        match self.nodes.find(id) {
            Some((stream, view)) if stream == untelling.stream => {
                Some(row(view, stream, untelling))
            }
            // Of the stream that took its place there is a mark as well.
            Some(_) => None,
            None => Some(gone),
        }
    }
}

fn row(mut view: NodeView, stream: u64, untelling: &Untelling) -> NodeRow {
    let facts = view.facts.take().filter(|_| untelling.facts);
    let facts = facts.and_then(|facts| serde_json::to_string(&facts).ok());
    view.rejects.truncate(MAX_REJECTS);
    NodeRow {
        node_id: view.node_id.clone(),
        stream,
        connected: true,
        applied_revision: view.applied_revision,
        body: serde_json::to_string(&view).unwrap_or_default(),
        facts: facts.unwrap_or_default(),
    }
}

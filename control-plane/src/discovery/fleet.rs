//! All nodes, of all control planes on one database: those that are connected here as they are, the others
//! as their control planes tell through the database.
//!
//! A node counts for as long as its stream is open and the control plane that has it lives. Of two streams
//! of one node, seen by two control planes, the later one counts.

mod teller;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex, watch},
    time::{sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::nodes::{Lagging, NodeView, Nodes};
use crate::store::{Applied, Member, Store, StoreError};
use teller::Teller;

/// How often others are asked for while somebody waits, should a hint be lost.
const POLL: Duration = Duration::from_millis(250);

/// After this time without a sign of life a control plane and its nodes do not count.
const ALIVE_MS: i64 = 8000;

/// All nodes, of all control planes.
#[derive(Clone, Debug)]
pub struct Fleet {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    nodes: Nodes,
    store: Arc<dyn Store>,
    /// This control plane.
    member: Member,
    /// Changes whenever a control plane has told something.
    heard: watch::Sender<u64>,
    elsewhere: Mutex<Elsewhere>,
}

/// What the nodes of other control planes have applied, and when they were last asked for.
#[derive(Debug, Default)]
struct Elsewhere {
    asked: Option<Instant>,
    applied: Arc<BTreeMap<String, Applied>>,
}

/// All nodes, as far as they are known.
#[derive(Debug)]
pub struct Listed {
    /// In order of name.
    pub nodes: Vec<NodeView>,
    /// Whether they are those of this control plane only, since the database does not answer.
    pub partial: bool,
}

/// That a revision was not applied in time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NotApplied {
    /// The nodes that have not applied it.
    pub lagging: Vec<Lagging>,
}

impl Fleet {
    /// The fleet as seen by a control plane of this name.
    pub fn new(nodes: Nodes, store: Arc<dyn Store>, name: &str) -> Self {
        let member = Member {
            instance: Uuid::new_v4().to_string(),
            name: name.to_owned(),
        };
        Self {
            shared: Arc::new(Shared {
                nodes,
                store,
                member,
                heard: watch::Sender::new(0),
                elsewhere: Mutex::default(),
            }),
        }
    }

    /// The nodes of this control plane.
    pub fn here(&self) -> &Nodes {
        &self.shared.nodes
    }

    /// All nodes, in order of name.
    pub async fn list(&self) -> Listed {
        let shared = &*self.shared;
        // In this order: a node that moves here in between is seen twice, not never.
        let elsewhere = shared
            .store
            .nodes_elsewhere(&shared.member.instance, ALIVE_MS)
            .await;
        let mut nodes = BTreeMap::new();
        for (stream, view) in shared.nodes.views() {
            let control_plane = shared.member.name.clone();
            let view = NodeView {
                control_plane,
                ..view
            };
            nodes.insert(view.node_id.clone(), (stream, view));
        }
        let partial = elsewhere.is_err();
        for node in elsewhere.unwrap_or_default() {
            let (id, stream) = (node.row.node_id.clone(), node.row.stream);
            if nodes.get(&id).is_none_or(|(known, _)| *known < stream) {
                nodes.insert(id, (stream, NodeView::elsewhere(node)));
            }
        }
        Listed {
            nodes: nodes.into_values().map(|(_, view)| view).collect(),
            partial,
        }
    }

    /// Waits until every node of the fleet has applied a revision. One that refused some of it counts: its
    /// rejects are in the list. One that goes is no longer waited for.
    ///
    /// # Errors
    /// The nodes that had not when time was up. None where it was not known, since the database did not
    /// answer.
    pub async fn wait_applied(&self, revision: u64, patience: Duration) -> Result<(), NotApplied> {
        let deadline = tokio::time::Instant::now() + patience;
        let (mut moved, mut heard) = (self.here().follow(), self.shared.heard.subscribe());
        let mut polled = true;
        // As last known, for when time is up while the database is asked again.
        let mut there = Arc::default();
        loop {
            moved.mark_unchanged();
            heard.mark_unchanged();
            let here = self.here().applied();
            let mut known = false;
            // While nodes of this control plane are on their way, the others can wait.
            if polled || behind(&here, &BTreeMap::new(), revision).is_empty() {
                let elsewhere = timeout_at(deadline, self.elsewhere(Instant::now())).await;
                if let Ok(Ok(elsewhere)) = elsewhere {
                    there = elsewhere;
                    known = true;
                }
            }
            let lagging = behind(&here, &there, revision);
            if known && lagging.is_empty() {
                return Ok(());
            }
            let wake = async {
                tokio::select! {
                    _ = moved.changed() => false,
                    _ = heard.changed() => false,
                    () = sleep(POLL) => true,
                }
            };
            match timeout_at(deadline, wake).await {
                Ok(by_time) => polled = by_time,
                Err(_) => return Err(NotApplied { lagging }),
            }
        }
    }

    /// Tells the other control planes of the nodes of this one, and hears of theirs, until `shutdown`; then
    /// says that this one ends.
    pub async fn run(self, shutdown: CancellationToken) {
        let hear = async {
            loop {
                self.shared.store.told().await;
                self.shared.heard.send_modify(|count| *count += 1);
            }
        };
        let shared = &*self.shared;
        let mut teller = Teller::new(&shared.nodes, &shared.store, &shared.member);
        tokio::select! {
            () = hear => {}
            () = teller.run() => {}
            () = shared.nodes.uses().tell(&*shared.store) => {}
            () = shutdown.cancelled() => {}
        }
        teller.leave().await;
    }

    /// What the nodes of other control planes have applied, as the database says after `since`. Those who
    /// ask together share one answer.
    async fn elsewhere(
        &self,
        since: Instant,
    ) -> Result<Arc<BTreeMap<String, Applied>>, StoreError> {
        let shared = &*self.shared;
        let mut known = shared.elsewhere.lock().await;
        if known.asked.is_some_and(|asked| asked >= since) {
            return Ok(Arc::clone(&known.applied));
        }
        let asked = Instant::now();
        let instance = &shared.member.instance;
        let rows = shared.store.applied_elsewhere(instance, ALIVE_MS).await?;
        let by_name = |it: Applied| (it.node_id.clone(), it);
        known.applied = Arc::new(rows.into_iter().map(by_name).collect());
        known.asked = Some(asked);
        Ok(Arc::clone(&known.applied))
    }
}

/// The nodes that have not applied a revision, in order of name.
fn behind(here: &[Applied], elsewhere: &BTreeMap<String, Applied>, revision: u64) -> Vec<Lagging> {
    let mut newest: BTreeMap<&str, &Applied> = BTreeMap::new();
    for node in here.iter().chain(elsewhere.values()) {
        let known = newest.entry(&node.node_id).or_insert(node);
        if known.stream < node.stream {
            *known = node;
        }
    }
    let behind = newest.into_values().filter(|it| it.revision < revision);
    behind
        .map(|node| Lagging {
            node_id: node.node_id.clone(),
            applied_revision: node.revision,
        })
        .collect()
}

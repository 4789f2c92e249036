//! One node's stream.

use std::{collections::BTreeMap, time::Duration};

use gatewright_proto::{
    Digest, Key, Kind, Version,
    v1::{
        Ack, ControlMessage, Delta, Hello, NeedHeld, NodeMessage, Outcome, Welcome,
        control_message::Message as Control, node_message::Message,
    },
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tonic::{Status, Streaming};

use super::{
    Nodes,
    plan::{self, Basis},
};
use crate::catalog::{Catalog, State};
use std::sync::Arc;

/// Time for a node to say something that it owes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Quiet after a commit before it is sent, so that a burst is one delta.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Most resources that a node may say it holds.
const MAX_HELD: usize = 2_000_000;
/// Largest resource, in bytes.
const MAX_RESOURCE_BYTES: u64 = 1 << 20;

/// A session, once its node has said hello.
pub(super) struct Session {
    pub(super) catalog: Catalog,
    pub(super) nodes: Nodes,
    pub(super) control_plane_id: String,
    pub(super) hello: Hello,
    pub(super) incoming: Streaming<NodeMessage>,
    pub(super) outgoing: mpsc::Sender<Result<ControlMessage, Status>>,
    /// What it refused and has not been sent again: the digest cannot be foretold then.
    pub(super) deviates: bool,
    pub(super) nonce: u64,
}

impl Session {
    /// Runs until either side ends it.
    pub(super) async fn run(&mut self) -> Result<(), Status> {
        let mut states = self.catalog.state.subscribe();
        let state = Arc::clone(&states.borrow_and_update());
        self.send(Control::Welcome(Welcome {
            control_plane_id: self.control_plane_id.clone(),
            epoch: state.head.epoch.clone(),
            head_revision: state.head.revision,
            max_resource_bytes: MAX_RESOURCE_BYTES,
        }))
        .await?;
        let mut basis = self.basis(&state).await?;
        self.bring(&state, &mut basis).await?;
        loop {
            self.idle(&mut states).await?;
            sleep(DEBOUNCE).await;
            let next = Arc::clone(&states.borrow_and_update());
            if next.head.epoch != state.head.epoch {
                return Err(Status::aborted(
                    "the database was restored; resume with what you hold",
                ));
            }
            self.bring(&next, &mut basis).await?;
        }
    }

    /// What the node holds.
    async fn basis(&mut self, state: &State) -> Result<Basis, Status> {
        let Some(resume) = self.hello.resume.take() else {
            return Ok(Basis::Nothing);
        };
        self.deviates = !resume.deviations.is_empty();
        match plan::resume(&self.catalog, state, &resume) {
            Some(basis) => Ok(basis),
            None => self.ask().await,
        }
    }

    async fn ask(&mut self) -> Result<Basis, Status> {
        self.send(Control::NeedHeld(NeedHeld {})).await?;
        let mut held = BTreeMap::new();
        loop {
            match self.receive().await? {
                Message::Held(part) => {
                    for resource in part.resources {
                        let kind: Option<Kind> = resource.kind.parse().ok();
                        let version = Version::from_slice(&resource.version);
                        if let (Some(kind), Some(version)) = (kind, version) {
                            held.insert(Key::new(kind, resource.name), version);
                        }
                    }
                    if held.len() > MAX_HELD {
                        return Err(Status::resource_exhausted("too many resources held"));
                    }
                    if part.last {
                        return Ok(Basis::Exactly(held));
                    }
                }
                Message::Report(report) => self.nodes.reported(&self.hello.node_id, report),
                Message::Hello(_) | Message::Ack(_) => {
                    return Err(Status::invalid_argument("`held` is expected"));
                }
            }
        }
    }

    /// Brings the node from the basis to a state, and waits for its answer.
    async fn bring(&mut self, state: &State, basis: &mut Basis) -> Result<(), Status> {
        let lacking = plan::delta(&self.catalog, state, basis, &self.hello.kinds);
        let (upserts, removals) = match lacking {
            Some(lacking) => lacking,
            None => {
                *basis = self.ask().await?;
                plan::delta(&self.catalog, state, basis, &self.hello.kinds).unwrap_or_default()
            }
        };
        for upsert in &upserts {
            self.nodes
                .forget_reject(&self.hello.node_id, &upsert.kind, &upsert.name);
        }
        for removal in &removals {
            self.nodes
                .forget_reject(&self.hello.node_id, &removal.kind, &removal.name);
        }
        self.nonce += 1;
        let all = Kind::ALL
            .iter()
            .all(|kind| self.hello.kinds.iter().any(|it| it == kind.as_str()));
        let foretold = all && !self.deviates;
        let delta = Delta {
            nonce: self.nonce.to_string(),
            epoch: state.head.epoch.clone(),
            from_revision: match basis {
                Basis::Revision(revision) => *revision,
                Basis::Nothing | Basis::Exactly(_) => 0,
            },
            to_revision: state.head.revision,
            snapshot: matches!(basis, Basis::Nothing),
            digest: if foretold {
                state.digest.as_bytes().to_vec()
            } else {
                Vec::new()
            },
            ..Delta::default()
        };
        for part in plan::parts(&delta, upserts, removals) {
            self.send(Control::Delta(part)).await?;
        }
        let ack = self.acknowledged(&delta.nonce).await?;
        self.note(state, &ack)?;
        *basis = Basis::Revision(state.head.revision);
        Ok(())
    }

    fn note(&mut self, state: &State, ack: &Ack) -> Result<(), Status> {
        let id = &self.hello.node_id;
        if ack.outcome == i32::from(Outcome::Rejected) {
            return Err(Status::data_loss(
                "the delta was refused whole; resume with what you hold",
            ));
        }
        if !ack.rejects.is_empty() {
            self.deviates = true;
            for reject in &ack.rejects {
                let resource = format!("{}/{}", reject.kind, reject.name);
                tracing::warn!(node.id = %id, resource, field = reject.field, reason = reject.reason, "a node refused a resource");
            }
        } else if Digest::from_slice(&ack.digest) == Some(state.digest) {
            self.deviates = false;
        }
        self.nodes.applied(id, state.head.revision, &ack.rejects);
        Ok(())
    }

    async fn acknowledged(&mut self, nonce: &str) -> Result<Ack, Status> {
        loop {
            match self.receive().await? {
                Message::Ack(ack) if ack.nonce == nonce => return Ok(ack),
                // Of an earlier delta, or of none: says nothing.
                Message::Ack(_) => {}
                Message::Report(report) => self.nodes.reported(&self.hello.node_id, report),
                Message::Hello(_) | Message::Held(_) => {
                    return Err(Status::invalid_argument("`ack` is expected"));
                }
            }
        }
    }

    /// Waits for the next state, and listens meanwhile.
    async fn idle(&mut self, states: &mut watch::Receiver<Arc<State>>) -> Result<(), Status> {
        loop {
            tokio::select! {
                changed = states.changed() => {
                    return changed.map_err(|_| Status::unavailable("the control plane ends"));
                }
                message = self.incoming.message() => match message?.and_then(|it| it.message) {
                    Some(Message::Report(report)) => self.nodes.reported(&self.hello.node_id, report),
                    Some(Message::Ack(_)) => {}
                    Some(_) => return Err(Status::invalid_argument("nothing was asked for")),
                    None => return Err(Status::cancelled("the node has gone")),
                }
            }
        }
    }

    async fn receive(&mut self) -> Result<Message, Status> {
        let message = timeout(ANSWER_TIMEOUT, self.incoming.message()).await;
        let message =
            message.map_err(|_| Status::deadline_exceeded("no answer in 30 seconds"))??;
        message
            .ok_or_else(|| Status::cancelled("the node has gone"))?
            .message
            .ok_or_else(|| Status::invalid_argument("an empty message"))
    }

    async fn send(&self, message: Control) -> Result<(), Status> {
        let message = ControlMessage {
            message: Some(message),
        };
        let sent = timeout(ANSWER_TIMEOUT, self.outgoing.send(Ok(message))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(Status::cancelled("the node takes nothing")),
        }
    }
}

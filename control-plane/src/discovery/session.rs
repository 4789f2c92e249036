//! One node's stream, once it has said hello.

mod answer;
mod resume;

use std::{sync::Arc, time::Duration};

use gatewright_proto::{
    Kind,
    v1::{
        ControlMessage, Goaway, NeedHeld, NodeMessage, Resume, Welcome,
        control_message::Message as Control,
    },
};
use rand::Rng as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{
    Discovery, Metrics,
    holding::{Deviations, Holding, Kinds, Listed},
    nodes::Registration,
    parts::Parts,
    plan::Plan,
};
use crate::catalog::State;

/// Quiet after a commit before it is sent, so that a burst is one delta.
const QUIET: Duration = Duration::from_millis(20);
/// How long a burst is waited for at most.
const MAX_BURST: Duration = Duration::from_millis(500);
/// Largest resource, in bytes.
const MAX_RESOURCE_BYTES: u64 = 1 << 20;
/// How much longer than it was told to wait a node may stay after a goaway.
const LEAVE_GRACE: Duration = Duration::from_secs(2);

pub(super) struct Session {
    discovery: Arc<Discovery>,
    registration: Registration,
    kinds: Kinds,
    incoming: Streaming<NodeMessage>,
    outgoing: mpsc::Sender<Result<ControlMessage, Status>>,
    holding: Holding,
    owed: Owed,
    /// What it has refused, as last heard.
    refused: Deviations,
    /// Leave to be brought up from nothing or from a list, between the list and the delta.
    admitted: Option<OwnedSemaphorePermit>,
    deltas: u64,
}

/// What the node owes.
enum Owed {
    Nothing,
    Ack(Flight),
    List(Listed, Instant, OwnedSemaphorePermit),
}

/// A delta that has been sent.
struct Flight {
    nonce: String,
    state: Arc<State>,
    sent: Instant,
    deadline: Instant,
    /// Whether it is the answer to a list: a digest that does not fit even then is a defect.
    listed: bool,
    /// Given back when it is acknowledged.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    pub(super) fn new(
        discovery: Arc<Discovery>,
        registration: Registration,
        kinds: Kinds,
        incoming: Streaming<NodeMessage>,
        outgoing: mpsc::Sender<Result<ControlMessage, Status>>,
    ) -> Self {
        Self {
            discovery,
            registration,
            kinds,
            incoming,
            outgoing,
            holding: Holding::Nothing,
            owed: Owed::Nothing,
            refused: Deviations::new(),
            admitted: None,
            deltas: 0,
        }
    }

    /// Runs until either side ends it.
    pub(super) async fn run(
        &mut self,
        resume: Option<Resume>,
        (snapshots, shutdown): (Arc<Semaphore>, CancellationToken),
    ) -> Result<(), Status> {
        let mut states = self.discovery.catalog.state.subscribe();
        self.registration.announced().await;
        self.welcome().await?;
        self.resume(resume).await?;
        let mut age = Box::pin(tokio::time::sleep(self.age()));
        let mut leave: Option<Instant> = None;
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.offer(&state, &snapshots).await?;
            let (idle, deadline) = (matches!(self.owed, Owed::Nothing), self.deadline());
            tokio::select! {
                message = self.incoming.message() => match message? {
                    Some(message) => self.receive(message).await?,
                    None => return Ok(()),
                },
                changed = states.changed(), if idle => {
                    changed.map_err(|_| Status::unavailable("this control plane ends"))?;
                    settle(&mut states).await;
                }
                () = until(deadline) => {
                    return Err(Status::deadline_exceeded("no answer in time"));
                }
                () = shutdown.cancelled(), if leave.is_none() => {
                    let spread = self.discovery.options.goaway_spread;
                    leave = Some(self.goaway(spread, "this control plane ends").await?);
                }
                () = &mut age, if leave.is_none() => {
                    leave = Some(self.goaway(Duration::ZERO, "time to spread over control planes").await?);
                }
                () = until(leave) => return Err(Status::unavailable("time to go")),
            }
        }
    }

    async fn welcome(&self) -> Result<(), Status> {
        let head = self.discovery.catalog.present().head.clone();
        self.send(Control::Welcome(Welcome {
            control_plane_id: self.discovery.options.control_plane_id.clone(),
            epoch: head.epoch,
            head_revision: head.revision,
            max_resource_bytes: MAX_RESOURCE_BYTES,
        }))
        .await
    }

    /// Sends what the node lacks, if it lacks anything and owes nothing.
    async fn offer(
        &mut self,
        state: &Arc<State>,
        snapshots: &Arc<Semaphore>,
    ) -> Result<(), Status> {
        if !matches!(self.owed, Owed::Nothing) {
            return Ok(());
        }
        match &self.holding {
            Holding::At(head, _) | Holding::Stuck(head) if *head == state.head => {
                if matches!(self.holding, Holding::At(..)) {
                    self.registration.current();
                }
                return Ok(());
            }
            _ => {}
        }
        self.registration.behind(self.withheld(state));
        let plan = Plan::of(&self.discovery.catalog, state, &self.kinds, &self.holding);
        let costly = !matches!(self.holding, Holding::At(..)) || plan.is_none();
        let permit = if costly {
            Some(self.admit(snapshots)?)
        } else {
            None
        };
        match (plan, permit) {
            (Some(plan), permit) => self.send_delta(plan, permit).await,
            (None, Some(permit)) => self.ask(permit).await,
            (None, None) => Ok(()),
        }
    }

    fn admit(&mut self, snapshots: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
        if let Some(admitted) = self.admitted.take() {
            return Ok(admitted);
        }
        Arc::clone(snapshots).try_acquire_owned().map_err(|_| {
            Metrics::add(&self.discovery.nodes.metrics().refused, 1);
            Status::resource_exhausted("too many nodes start at once; come back")
        })
    }

    async fn ask(&mut self, permit: OwnedSemaphorePermit) -> Result<(), Status> {
        Metrics::add(&self.discovery.nodes.metrics().lists, 1);
        self.send(Control::NeedHeld(NeedHeld {})).await?;
        let deadline = Instant::now() + self.discovery.limits.answer_timeout;
        self.owed = Owed::List(Listed::default(), deadline, permit);
        Ok(())
    }

    async fn send_delta(
        &mut self,
        mut plan: Plan,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Status> {
        self.deltas += 1;
        let nonce = self.deltas.to_string();
        let metrics = self.discovery.nodes.metrics();
        Metrics::add(&metrics.deltas, 1);
        Metrics::add(&metrics.snapshots, u64::from(plan.is_snapshot()));
        let state = Arc::clone(&plan.state);
        for part in Parts::of(&mut plan, &self.kinds, &nonce) {
            let bytes: usize = part.upserts.iter().map(|it| it.body.len()).sum();
            Metrics::add(&metrics.bytes, bytes as u64);
            self.send(Control::Delta(part)).await?;
        }
        let sent = Instant::now();
        self.owed = Owed::Ack(Flight {
            nonce,
            state,
            sent,
            deadline: sent + self.discovery.limits.answer_timeout,
            listed: matches!(self.holding, Holding::Listed(_)),
            _permit: permit,
        });
        Ok(())
    }

    /// Kinds that exist and the node does not understand.
    fn withheld(&self, state: &State) -> Vec<String> {
        let kinds = Kind::ALL.iter().filter(|kind| !self.kinds.contains(kind));
        let kinds = kinds.filter(|kind| state.has_any(**kind));
        kinds.map(ToString::to_string).collect()
    }

    /// Tells the node when to come back: each at another time. Returns when it must be gone.
    async fn goaway(&self, spread: Duration, reason: &str) -> Result<Instant, Status> {
        let wait = rand::rng().random_range(Duration::ZERO..=spread);
        self.send(Control::Goaway(Goaway {
            reconnect_after_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            reason: reason.to_owned(),
        }))
        .await?;
        Ok(Instant::now() + wait + LEAVE_GRACE)
    }

    const fn deadline(&self) -> Option<Instant> {
        match &self.owed {
            Owed::Nothing => None,
            Owed::Ack(flight) => Some(flight.deadline),
            Owed::List(_, deadline, _) => Some(*deadline),
        }
    }

    fn age(&self) -> Duration {
        let share = rand::rng().random_range(0.8..1.2);
        self.discovery.limits.max_age.mul_f64(share)
    }

    async fn send(&self, message: Control) -> Result<(), Status> {
        let message = ControlMessage {
            message: Some(message),
        };
        let sent = self.outgoing.send(Ok(message));
        match timeout(self.discovery.limits.answer_timeout, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Status::cancelled("the node has gone")),
            Err(_) => Err(Status::deadline_exceeded("the node takes nothing")),
        }
    }
}

/// Waits for the end of a burst of commits.
async fn settle(states: &mut watch::Receiver<Arc<State>>) {
    let end = Instant::now() + MAX_BURST;
    loop {
        let quiet = (Instant::now() + QUIET).min(end);
        states.mark_unchanged();
        match timeout_at(quiet, states.changed()).await {
            Ok(Ok(())) if Instant::now() < end => {}
            _ => return,
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

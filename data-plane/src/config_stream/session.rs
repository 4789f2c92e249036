//! One stream, from hello to its end.

use std::time::Duration;

use gatewright_proto::{
    Kind,
    v1::{
        self, Ack, Delta, Held, Hello, NodeMessage, NodeReport, Outcome, Report, Welcome,
        control_message::Message as Control, discovery_client::DiscoveryClient,
        node_message::Message,
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Endpoint, Follower, assembly::Assembly, holding::NotApplied};

/// Messages that may wait to be sent.
const MAX_WAITING: usize = 16;
/// Largest message from a control plane.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Resources in one part of `held`.
const HELD_PART: usize = 5_000;
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// How often parts of the node are asked how they fare.
const NODE_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time for a control plane to be connected to and to welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a message to be taken.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How a stream ended.
#[derive(Debug)]
pub(super) enum End {
    /// The control plane asked for it, and it is time to go.
    Goaway,
    /// Otherwise.
    Failed(String),
}

impl From<tonic::Status> for End {
    fn from(status: tonic::Status) -> Self {
        Self::Failed(format!("{:?}: {}", status.code(), status.message()))
    }
}

/// A stream on which the node has been welcomed.
pub(super) struct Session<'f> {
    follower: &'f Follower,
    outgoing: mpsc::Sender<NodeMessage>,
    incoming: Streaming<v1::ControlMessage>,
    assembly: Assembly,
    /// What it was told last of how the node's parts fare.
    told: NodeReport,
}

impl<'f> Session<'f> {
    /// Connects and says hello.
    pub(super) async fn open(follower: &'f Follower, endpoint: &Endpoint) -> Result<Self, End> {
        let opened = timeout(WELCOME_TIMEOUT, Self::connect(follower, endpoint)).await;
        let (session, welcome) =
            opened.map_err(|_| End::Failed("no welcome in time".to_owned()))??;
        tracing::info!(control_plane = %endpoint, id = welcome.control_plane_id, "following the control plane");
        Ok(session)
    }

    async fn connect(follower: &'f Follower, endpoint: &Endpoint) -> Result<(Self, Welcome), End> {
        let channel = endpoint.open().await.map_err(End::Failed)?;
        let (outgoing, messages) = mpsc::channel(MAX_WAITING);
        send(&outgoing, Message::Hello(hello(follower))).await?;
        let mut client = DiscoveryClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut incoming = client
            .stream(ReceiverStream::new(messages))
            .await?
            .into_inner();
        let first = incoming.message().await?.and_then(|it| it.message);
        let Some(Control::Welcome(welcome)) = first else {
            return Err(End::Failed("it does not begin with a welcome".to_owned()));
        };
        let session = Self {
            follower,
            outgoing,
            incoming,
            assembly: Assembly::default(),
            told: NodeReport::default(),
        };
        Ok((session, welcome))
    }

    /// Follows until it ends.
    pub(super) async fn listen(&mut self) -> End {
        let mut reports = interval(REPORT_INTERVAL);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut node_reports = interval(NODE_REPORT_INTERVAL);
        node_reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leave: Option<Instant> = None;
        loop {
            let message = tokio::select! {
                message = self.incoming.message() => message,
                _ = reports.tick() => {
                    if let Err(end) = self.send(Message::Report(report(self.follower))).await {
                        return end;
                    }
                    continue;
                }
                _ = node_reports.tick() => {
                    if let Err(end) = self.say_how_it_fares().await {
                        return end;
                    }
                    continue;
                }
                () = until(leave) => return End::Goaway,
            };
            let message = match (message, leave) {
                (Ok(Some(message)), _) => message.message,
                // Others were told to come back at other times.
                (_, Some(leave)) => {
                    sleep_until(leave).await;
                    return End::Goaway;
                }
                (Ok(None), None) => return End::Failed("the control plane has gone".to_owned()),
                (Err(status), None) => return status.into(),
            };
            let handled = match message {
                Some(Control::Delta(part)) => self.part(part).await,
                Some(Control::NeedHeld(_)) => self.say_held().await,
                Some(Control::Goaway(goaway)) => {
                    tracing::info!(reason = goaway.reason, "asked to reconnect");
                    let after = Duration::from_millis(u64::from(goaway.reconnect_after_ms));
                    leave.get_or_insert(Instant::now() + after);
                    Ok(())
                }
                // Of a newer control plane, or said already.
                Some(Control::Welcome(_)) | None => Ok(()),
            };
            if let Err(end) = handled {
                return end;
            }
        }
    }

    /// Tells how the node's parts fare, where that has changed.
    async fn say_how_it_fares(&mut self) -> Result<(), End> {
        let report = self.follower.reports.collect();
        if report == self.told {
            return Ok(());
        }
        self.send(Message::NodeReport(report.clone())).await?;
        self.told = report;
        Ok(())
    }

    async fn say_held(&self) -> Result<(), End> {
        let mut rows = {
            let mut holding = self.follower.holding.lock();
            holding.distrust();
            holding.list()
        };
        while rows.len() > HELD_PART {
            let rest = rows.split_off(HELD_PART);
            let part = Held {
                resources: rows,
                last: false,
            };
            self.send(Message::Held(part)).await?;
            rows = rest;
        }
        self.send(Message::Held(Held {
            resources: rows,
            last: true,
        }))
        .await
    }

    async fn part(&mut self, part: Delta) -> Result<(), End> {
        let taken = self.assembly.take(part);
        match taken.map_err(|error| End::Failed(error.to_string()))? {
            Some(delta) => self.apply(delta).await,
            None => Ok(()),
        }
    }

    /// Applies a complete delta, publishes and keeps the result, and acknowledges it.
    async fn apply(&self, delta: Delta) -> Result<(), End> {
        let (nonce, revision) = (delta.nonce.clone(), delta.to_revision);
        let ack = match self.compile(delta).await? {
            Ok(ack) => ack,
            Err(NotApplied::Broken(reason)) => {
                tracing::error!(revision, reason, "refused all of a delta; serving on");
                self.follower.status.rejected();
                return self
                    .send(Message::Ack(rejected(nonce, revision, reason)))
                    .await;
            }
            Err(NotApplied::DoesNotFit) => {
                self.follower.holding.lock().distrust();
                return Err(End::Failed(
                    "a delta does not fit what is held; asking for the difference".to_owned(),
                ));
            }
        };
        self.follower.publish();
        self.follower.status.applied(ack.compile_us);
        tracing::info!(
            revision,
            refused = ack.deviations.len(),
            "published revision {revision}"
        );
        // Before it is acknowledged: what a control plane believes to be held survives a restart.
        self.keep().await?;
        self.send(Message::Ack(ack)).await
    }

    /// Compiling many routes takes a while: not on the threads that serve status and streams.
    async fn compile(&self, delta: Delta) -> Result<Result<Ack, NotApplied>, End> {
        let holding = self.follower.holding.clone();
        let applied = tokio::task::spawn_blocking(move || holding.lock().apply(delta));
        applied
            .await
            .map_err(|error| End::Failed(format!("applying failed: {error}")))
    }

    async fn keep(&self) -> Result<(), End> {
        let (holding, cache) = (self.follower.holding.clone(), self.follower.cache.clone());
        let kept = tokio::task::spawn_blocking(move || holding.lock().keep(&cache));
        let kept = kept
            .await
            .map_err(|error| End::Failed(format!("keeping failed: {error}")))?;
        if let Err(error) = kept {
            self.follower.status.unkept();
            tracing::error!(%error, "cannot keep the configuration on disk; after a restart this node needs a control plane");
        }
        Ok(())
    }

    async fn send(&self, message: Message) -> Result<(), End> {
        send(&self.outgoing, message).await
    }
}

fn hello(follower: &Follower) -> Hello {
    let identity = &follower.identity;
    Hello {
        node_id: identity.node_id.clone(),
        boot_id: identity.boot_id.clone(),
        group: identity.group.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kinds: Kind::ALL.iter().map(ToString::to_string).collect(),
        resume: follower.holding.lock().resume(),
        listeners: identity.listeners.clone(),
        stream: follower.next_stream(),
    }
}

fn report(follower: &Follower) -> Report {
    let metrics = &follower.telemetry.metrics;
    let holding = follower.holding.lock();
    Report {
        applied_revision: holding.revision(),
        digest: holding.digest().as_bytes().to_vec(),
        uptime_seconds: follower.started.elapsed().as_secs(),
        in_flight: u64::try_from(metrics.in_flight.get()).unwrap_or(0),
        requests: metrics.answered.get(),
    }
}

fn rejected(nonce: String, revision: u64, reason: String) -> Ack {
    Ack {
        nonce,
        revision,
        outcome: Outcome::Rejected.into(),
        reason,
        ..Ack::default()
    }
}

async fn send(outgoing: &mpsc::Sender<NodeMessage>, message: Message) -> Result<(), End> {
    let message = NodeMessage {
        message: Some(message),
    };
    match timeout(SEND_TIMEOUT, outgoing.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(End::Failed("the control plane takes nothing".to_owned())),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

//! One stream, from hello to its end.

use std::time::{Duration, Instant};

use gatewright_engine::live::{Change, Live, Reject};
use gatewright_proto::{
    Digest, Key, Kind, Version,
    v1::{
        self, Ack, Delta, Held, HeldVersion, Hello, NodeMessage, Outcome, Report, Resume,
        control_message::Message as Control, discovery_client::DiscoveryClient,
        node_message::Message,
    },
};
use tokio::{sync::mpsc, time::interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

use super::{Endpoint, Follower};

/// Messages that may wait to be sent.
const MAX_WAITING: usize = 16;
/// Largest message from a control plane.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Most resources of one delta.
const MAX_DELTA_RESOURCES: usize = 2_000_000;
/// Resources in one part of `held`.
const HELD_PART: usize = 10_000;
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// How a stream ended.
pub(super) enum End {
    /// The control plane asked for it: come back after this time.
    Goaway(Duration),
    /// Otherwise.
    Failed(String),
}

impl From<tonic::Status> for End {
    fn from(status: tonic::Status) -> Self {
        Self::Failed(format!("{:?}: {}", status.code(), status.message()))
    }
}

pub(super) struct Session<'f> {
    follower: &'f mut Follower,
    outgoing: mpsc::Sender<NodeMessage>,
    /// Parts of a delta that is not complete.
    parts: Vec<Delta>,
}

impl<'f> Session<'f> {
    pub(super) async fn run(
        follower: &'f mut Follower,
        channel: Channel,
        endpoint: &Endpoint,
    ) -> End {
        let (outgoing, messages) = mpsc::channel(MAX_WAITING);
        let mut session = Self {
            follower,
            outgoing,
            parts: Vec::new(),
        };
        let hello = session.hello();
        if session.send(Message::Hello(hello)).await.is_err() {
            return End::Failed("cannot say hello".to_owned());
        }
        let mut client = DiscoveryClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let incoming = match client.stream(ReceiverStream::new(messages)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return status.into(),
        };
        tracing::info!(control_plane = %endpoint, "following the control plane");
        session.listen(incoming).await
    }

    async fn listen(&mut self, mut incoming: Streaming<v1::ControlMessage>) -> End {
        let mut reports = interval(REPORT_INTERVAL);
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                _ = reports.tick() => {
                    let report = self.report();
                    match self.send(Message::Report(report)).await {
                        Ok(()) => continue,
                        Err(end) => return end,
                    }
                }
            };
            let message = match message {
                Ok(Some(message)) => message.message,
                Ok(None) => return End::Failed("the control plane has gone".to_owned()),
                Err(status) => return status.into(),
            };
            let handled = match message {
                Some(Control::Welcome(_)) => {
                    self.follower.telemetry.metrics.connected.set(1);
                    Ok(())
                }
                Some(Control::Delta(part)) => self.part(part).await,
                Some(Control::NeedHeld(_)) => self.say_held().await,
                Some(Control::Goaway(goaway)) => {
                    tracing::info!(reason = goaway.reason, "asked to reconnect");
                    let after = Duration::from_millis(u64::from(goaway.reconnect_after_ms));
                    return End::Goaway(after);
                }
                // Of a newer control plane.
                None => Ok(()),
            };
            if let Err(end) = handled {
                return end;
            }
        }
    }

    fn hello(&self) -> Hello {
        let identity = &self.follower.identity;
        Hello {
            node_id: identity.node_id.clone(),
            boot_id: identity.boot_id.clone(),
            group: identity.group.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kinds: Kind::ALL.iter().map(ToString::to_string).collect(),
            resume: self.resume(),
            listeners: identity.listeners.clone(),
        }
    }

    fn resume(&self) -> Option<Resume> {
        let live = self.follower.live.as_ref()?;
        if self.follower.epoch.is_empty() {
            return None;
        }
        let deviation = |it: gatewright_engine::live::Deviation| v1::Deviation {
            kind: it.key.kind.to_string(),
            name: it.key.name,
            held_version: it
                .held
                .map_or_else(Vec::new, |version| version.as_bytes().to_vec()),
            refused_version: it.refused.as_bytes().to_vec(),
        };
        let digest = match self.follower.trusted {
            true => live.set.digest().as_bytes().to_vec(),
            // Fits nothing, so that the control plane asks for everything that is held.
            false => Vec::new(),
        };
        Some(Resume {
            epoch: self.follower.epoch.clone(),
            revision: live.revision,
            digest,
            deviations: live.deviations().into_iter().map(deviation).collect(),
        })
    }

    async fn say_held(&self) -> Result<(), End> {
        let Some(live) = &self.follower.live else {
            return Ok(());
        };
        let row = |(key, held): (&Key, &gatewright_engine::Held)| HeldVersion {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            version: held.version.as_bytes().to_vec(),
        };
        // A refused version does not count as held, or it would never come again.
        let mut rows: Vec<HeldVersion> = live.set.held.iter().map(row).collect();
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
        let follows = self
            .parts
            .last()
            .is_none_or(|last| last.nonce == part.nonce && last.part + 1 == part.part);
        if !follows || (self.parts.is_empty() && part.part != 0) {
            return Err(End::Failed("a part of a delta is missing".to_owned()));
        }
        let last = part.last;
        self.parts.push(part);
        let resources: usize = self
            .parts
            .iter()
            .map(|part| part.upserts.len() + part.removals.len())
            .sum();
        if resources > MAX_DELTA_RESOURCES {
            return Err(End::Failed("a delta of too many resources".to_owned()));
        }
        if last { self.apply().await } else { Ok(()) }
    }

    /// Applies a complete delta, publishes and keeps the result, and acknowledges it.
    async fn apply(&mut self) -> Result<(), End> {
        let parts = std::mem::take(&mut self.parts);
        let Some(last) = parts.last() else {
            return Ok(());
        };
        let (nonce, revision, epoch, digest) = (
            last.nonce.clone(),
            last.to_revision,
            last.epoch.clone(),
            Digest::from_slice(&last.digest),
        );
        let began = Instant::now();
        let mut live = self
            .follower
            .live
            .take()
            .ok_or_else(|| End::Failed("not ready".to_owned()))?;
        // Compiling many routes takes a while: not on the threads that serve status and streams.
        let applied = tokio::task::spawn_blocking(move || {
            let rejects = live.apply(change(parts));
            (live, rejects)
        });
        let (live, rejects) = match applied.await {
            Ok(applied) => applied,
            Err(error) => {
                self.follower.live =
                    Some(Live::new(gatewright_engine::plugin::Registry::default()));
                self.follower.restore();
                return Err(End::Failed(format!("compiling failed: {error}")));
            }
        };
        self.follower.epoch = epoch;
        self.follower.live = Some(live);
        self.follower.publish();
        self.keep();
        self.acknowledge(nonce, revision, &rejects, (began, digest))
            .await
    }

    fn keep(&self) {
        if let Some(live) = &self.follower.live
            && let Err(error) = self.follower.cache.keep(&self.follower.epoch, live)
        {
            tracing::error!(%error, "cannot keep the configuration on disk; this node will not start without a control plane");
        }
    }

    async fn acknowledge(
        &mut self,
        nonce: String,
        revision: u64,
        rejects: &[Reject],
        (began, expected): (Instant, Option<Digest>),
    ) -> Result<(), End> {
        let Some(live) = &self.follower.live else {
            return Ok(());
        };
        let digest = live.set.digest();
        let outcome = if rejects.is_empty() {
            Outcome::Applied
        } else {
            Outcome::Partial
        };
        let ack = Ack {
            nonce,
            revision,
            outcome: outcome.into(),
            rejects: rejects.iter().flat_map(rows).collect(),
            compile_us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
            digest: digest.as_bytes().to_vec(),
        };
        self.follower.trusted = rejects
            .is_empty()
            .then_some(expected)
            .flatten()
            .is_none_or(|it| it == digest);
        self.send(Message::Ack(ack)).await?;
        if !self.follower.trusted {
            return Err(End::Failed(
                "the digest does not fit what is held; asking for the difference".to_owned(),
            ));
        }
        tracing::info!(
            revision,
            rejects = rejects.len(),
            "published revision {revision}"
        );
        Ok(())
    }

    fn report(&self) -> Report {
        let live = self.follower.live.as_ref();
        let metrics = &self.follower.telemetry.metrics;
        Report {
            applied_revision: live.map_or(0, |live| live.revision),
            digest: live.map_or_else(Vec::new, |live| live.set.digest().as_bytes().to_vec()),
            uptime_seconds: self.follower.started.elapsed().as_secs(),
            in_flight: u64::try_from(metrics.in_flight.get()).unwrap_or(0),
            requests: metrics.answered.get(),
        }
    }

    async fn send(&self, message: Message) -> Result<(), End> {
        let message = NodeMessage {
            message: Some(message),
        };
        let sent = self.outgoing.send(message).await;
        sent.map_err(|_| End::Failed("the control plane takes nothing".to_owned()))
    }
}

/// Puts the parts of a delta together.
fn change(parts: Vec<Delta>) -> Change {
    let mut change = Change::default();
    for part in parts {
        change.revision = part.to_revision;
        change.snapshot = part.snapshot;
        for removal in part.removals {
            if let Ok(kind) = removal.kind.parse() {
                change.removals.push(Key::new(kind, removal.name));
            }
        }
        for update in part.upserts {
            let Ok(kind) = update.kind.parse::<Kind>() else {
                tracing::warn!(kind = update.kind, "a kind that this node does not know");
                continue;
            };
            let resource = kind.decode(&update.body).ok();
            let version = Version::from_slice(&update.version);
            let version = version.unwrap_or_else(|| Version::of_bytes(&update.body));
            change
                .upserts
                .push((Key::new(kind, update.name), version, resource));
        }
    }
    change
}

fn rows(reject: &Reject) -> Vec<v1::Reject> {
    let row = |error: &gatewright_engine::CompileError| v1::Reject {
        kind: reject.key.kind.to_string(),
        name: reject.key.name.clone(),
        version: reject.version.as_bytes().to_vec(),
        code: error.code.to_owned(),
        field: error.field.clone(),
        reason: error.reason.clone(),
    };
    reject.errors.iter().map(row).collect()
}

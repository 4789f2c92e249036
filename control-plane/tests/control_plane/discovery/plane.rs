//! A control plane that only streams, and nodes that say what they are told to.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gatewright_control_plane::{
    catalog::Catalog,
    discovery::{Discovery, Fleet, Limits, Nodes, Options, serve_with},
    store::{Edit, Store},
};
use gatewright_proto::{
    Digest, Key, Kind, Version,
    v1::{
        Ack, ControlMessage, Delta, Deviation, Held, HeldVersion, Hello, NodeMessage, Resume,
        control_message::Message as Control, discovery_client::DiscoveryClient,
        node_message::Message,
    },
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, Streaming, transport::ServerTlsConfig};

use crate::store::database::commit;

/// Far above what anything takes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Plane {
    pub(super) catalog: Catalog,
    pub(super) nodes: Nodes,
    pub(super) fleet: Fleet,
    pub(super) shutdown: CancellationToken,
    pub(super) address: SocketAddr,
    _stop: DropGuard,
}

impl Plane {
    pub(super) async fn start(store: &Arc<dyn Store>) -> Self {
        Self::start_with(store, Limits::default()).await
    }

    pub(super) async fn start_with(store: &Arc<dyn Store>, limits: Limits) -> Self {
        Self::start_secured(store, limits, None).await
    }

    pub(super) async fn start_secured(
        store: &Arc<dyn Store>,
        limits: Limits,
        tls: Option<ServerTlsConfig>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let discovery = Discovery {
            options: Options {
                control_plane_id: address.to_string(),
                goaway_spread: Duration::from_millis(50),
                tls,
            },
            limits,
            catalog: Catalog::load(Arc::clone(store)).await.unwrap(),
            nodes: Nodes::default(),
        };
        let (catalog, nodes) = (discovery.catalog.clone(), discovery.nodes.clone());
        let shutdown = CancellationToken::new();
        let fleet = Fleet::new(nodes.clone(), Arc::clone(store), &address.to_string());
        tokio::spawn(fleet.clone().run(shutdown.clone()));
        tokio::spawn(serve_with(listener, discovery, shutdown.clone()));
        Self {
            catalog,
            nodes,
            fleet,
            address,
            _stop: shutdown.clone().drop_guard(),
            shutdown,
        }
    }

    /// Commits and lets this control plane know.
    pub(super) async fn commit(&self, edits: Vec<Edit>) -> u64 {
        let (revision, _) = commit(&*self.catalog.store, edits).await;
        self.catalog.fresh().await.unwrap();
        revision
    }

    /// How many (snapshots were sent, nodes were asked what they hold).
    pub(super) fn costs(&self) -> (u64, u64) {
        let rows: BTreeMap<_, _> = self
            .nodes
            .metrics()
            .rows()
            .map(|(name, _, it)| (name, it))
            .into();
        (rows["snapshots"], rows["lists"])
    }
}

/// What a node holds, and the stream it has open.
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) boot: &'static str,
    pub(super) kinds: Vec<Kind>,
    pub(super) epoch: String,
    pub(super) revision: u64,
    pub(super) held: BTreeMap<Key, Version>,
    pub(super) refused: BTreeMap<Key, Version>,
    /// Names of resources that it refuses, whatever they say.
    pub(super) refuses: Vec<&'static str>,
    streams: u64,
    stream: Option<(mpsc::Sender<NodeMessage>, Streaming<ControlMessage>)>,
}

impl Node {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            boot: "first",
            kinds: Kind::ALL.to_vec(),
            epoch: String::new(),
            revision: 0,
            held: BTreeMap::new(),
            refused: BTreeMap::new(),
            refuses: Vec::new(),
            streams: 0,
            stream: None,
        }
    }

    /// Connects and is welcomed.
    pub(super) async fn connect(&mut self, plane: &Plane) {
        let url = format!("http://{}", plane.address);
        let mut client = DiscoveryClient::connect(url).await.unwrap();
        let (outgoing, messages) = mpsc::channel(64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.streams = (self.streams + 1).max(u64::try_from(now.as_millis()).unwrap());
        let hello = Hello {
            node_id: self.name.to_owned(),
            boot_id: self.boot.to_owned(),
            kinds: self.kinds.iter().map(ToString::to_string).collect(),
            stream: self.streams,
            resume: (!self.epoch.is_empty()).then(|| self.resume()),
            ..Hello::default()
        };
        let hello = NodeMessage {
            message: Some(Message::Hello(hello)),
        };
        outgoing.send(hello).await.unwrap();
        let stream = client.stream(ReceiverStream::new(messages)).await.unwrap();
        self.stream = Some((outgoing, stream.into_inner()));
        assert!(matches!(self.hear().await, Ok(Control::Welcome(_))));
    }

    pub(super) fn disconnect(&mut self) {
        self.stream = None;
    }

    /// Lets go of its stream without closing it.
    pub(super) fn leave_open(&mut self) -> impl Sized + use<> {
        self.stream.take()
    }

    pub(super) async fn say(&self, message: Message) {
        let (outgoing, _) = self.stream.as_ref().unwrap();
        let message = NodeMessage {
            message: Some(message),
        };
        outgoing.send(message).await.unwrap();
    }

    /// The next message, or how the stream ended.
    pub(super) async fn hear(&mut self) -> Result<Control, Status> {
        let (_, incoming) = self.stream.as_mut().unwrap();
        let message = timeout(PATIENCE, incoming.message()).await;
        let message = message.expect("a message in time")?;
        let message = message.ok_or_else(|| Status::cancelled("the end"))?;
        Ok(message.message.unwrap())
    }

    /// The next delta, all of it. Answers questions in between.
    pub(super) async fn delta(&mut self) -> Delta {
        let mut whole: Option<Delta> = None;
        loop {
            match self.hear().await.unwrap() {
                Control::NeedHeld(_) => self.list().await,
                Control::Delta(part) => {
                    let last = part.last;
                    match &mut whole {
                        None => whole = Some(part),
                        Some(whole) => {
                            assert_eq!(part.nonce, whole.nonce);
                            whole.upserts.extend(part.upserts);
                            whole.removals.extend(part.removals);
                            whole.digest = part.digest;
                        }
                    }
                    if let Some(whole) = whole.take_if(|_| last) {
                        return whole;
                    }
                }
                other => panic!("a delta was expected, not {other:?}"),
            }
        }
    }

    /// Takes the next delta and acknowledges it. Returns the names sent and removed.
    pub(super) async fn follow(&mut self) -> (Vec<String>, Vec<String>) {
        let delta = self.delta().await;
        let ack = self.apply(&delta);
        self.say(Message::Ack(ack)).await;
        let upserts = delta.upserts.into_iter().map(|it| it.name).collect();
        (
            upserts,
            delta.removals.into_iter().map(|it| it.name).collect(),
        )
    }

    /// Follows until it has a revision.
    pub(super) async fn follow_to(&mut self, revision: u64) {
        while self.revision < revision {
            self.follow().await;
        }
    }

    pub(super) fn apply(&mut self, delta: &Delta) -> Ack {
        if delta.snapshot {
            self.held.clear();
            self.refused.clear();
        }
        let key = |kind: &str, name: &str| Key::new(kind.parse().unwrap(), name);
        for removal in &delta.removals {
            let key = key(&removal.kind, &removal.name);
            self.held.remove(&key);
            self.refused.remove(&key);
        }
        for update in &delta.upserts {
            let (key, version) = (
                key(&update.kind, &update.name),
                Version::from_slice(&update.version).unwrap(),
            );
            assert_eq!(version, Version::of_bytes(&update.body));
            self.refused.remove(&key);
            if self.refuses.contains(&update.name.as_str()) {
                self.refused.insert(key, version);
            } else {
                self.held.insert(key, version);
            }
        }
        if self.refused.is_empty() {
            assert_eq!(delta.digest, self.digest().as_bytes());
        }
        self.revision = delta.to_revision;
        self.epoch.clone_from(&delta.epoch);
        Ack {
            nonce: delta.nonce.clone(),
            revision: self.revision,
            deviations: self.deviations(),
            digest: self.digest().as_bytes().to_vec(),
            ..Ack::default()
        }
    }

    async fn list(&self) {
        let row = |(key, version): (&Key, &Version)| HeldVersion {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            version: version.as_bytes().to_vec(),
        };
        let rows: Vec<_> = self.held.iter().map(row).collect();
        // Always in two parts, so that putting them together is always asked for.
        let (first, second) = rows.split_at(rows.len() / 2);
        for (resources, last) in [(first, false), (second, true)] {
            let resources = resources.to_vec();
            self.say(Message::Held(Held { resources, last })).await;
        }
    }

    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        self.held
            .iter()
            .for_each(|(key, version)| digest.toggle(key, version));
        digest
    }

    fn resume(&self) -> Resume {
        Resume {
            epoch: self.epoch.clone(),
            revision: self.revision,
            digest: self.digest().as_bytes().to_vec(),
            deviations: self.deviations(),
        }
    }

    fn deviations(&self) -> Vec<Deviation> {
        let row = |(key, version): (&Key, &Version)| Deviation {
            kind: key.kind.to_string(),
            name: key.name.clone(),
            held_version: self
                .held
                .get(key)
                .map_or_else(Vec::new, |it| it.as_bytes().to_vec()),
            refused_version: version.as_bytes().to_vec(),
            mistakes: Vec::new(),
        };
        self.refused.iter().map(row).collect()
    }
}

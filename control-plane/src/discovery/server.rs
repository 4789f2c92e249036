//! Accepts the nodes' streams.

use std::{pin::Pin, sync::Arc, thread::available_parallelism, time::Duration};

use gatewright_proto::v1::{
    ControlMessage, Hello, NodeMessage,
    discovery_server::{self, DiscoveryServer},
    node_message::Message,
};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, ServerTlsConfig},
};

use super::{Metrics, Nodes, identity::Names, session::Session};
use crate::catalog::Catalog;

/// Messages that may wait to be written to one node. With parts of 1 MiB, what a slow node costs.
const MAX_WAITING: usize = 2;
/// Largest message from a node.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// A node needs one stream; more than a few on one connection are not a node.
const MAX_STREAMS: u32 = 8;

/// How the stream is offered.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this control plane, unique among those of its database.
    pub control_plane_id: String,
    /// Over how long nodes are told to come back when this control plane ends.
    pub goaway_spread: Duration,
    /// TLS, with the nodes' authorities; none is plain text.
    pub tls: Option<ServerTlsConfig>,
}

/// Bounds on what nodes may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time to say hello; default 10 s.
    pub hello_timeout: Duration,
    /// Time to take a message, to acknowledge a delta, or to list what is held; default 30 s.
    pub answer_timeout: Duration,
    /// How long one stream lasts, a fifth more or less, so that nodes spread over control planes again;
    /// default 30 min.
    pub max_age: Duration,
    /// Nodes that may be brought up from nothing or from a list at a time; more are told to come back.
    /// Default 15 and 5 a core, at most 100.
    pub snapshots: usize,
    /// Streams that may be open without having said hello; default 256.
    pub strangers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            hello_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            max_age: Duration::from_secs(30 * 60),
            snapshots: (15 + 5 * cores).min(100),
            strangers: 256,
        }
    }
}

/// Everything that is streamed from, and to whom.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// How the stream is offered.
    pub options: Options,
    /// Bounds on what nodes may cost.
    pub limits: Limits,
    /// What is streamed.
    pub catalog: Catalog,
    /// To whom.
    pub nodes: Nodes,
}

/// Serves until `shutdown`, with the default limits. Nodes are then told to come back, to another control
/// plane where there is one, and their streams go on for as long as they were told to wait.
///
/// # Errors
/// TLS cannot be set up, or the listener failed.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    catalog: Catalog,
    nodes: Nodes,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let discovery = Discovery {
        options,
        limits: Limits::default(),
        catalog,
        nodes,
    };
    serve_with(listener, discovery, shutdown).await
}

/// As [`serve`].
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listener: TcpListener,
    discovery: Discovery,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS)
        .tcp_nodelay(true);
    if let Some(tls) = discovery.options.tls.clone() {
        server = server.tls_config(tls)?;
    }
    let sessions = TaskTracker::new();
    let service = Service {
        strangers: Arc::new(Semaphore::new(discovery.limits.strangers)),
        snapshots: Arc::new(Semaphore::new(discovery.limits.snapshots)),
        discovery: Arc::new(discovery),
        shutdown: shutdown.clone(),
        sessions: sessions.clone(),
    };
    let service = DiscoveryServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let served = server
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.cancelled_owned())
        .await;
    sessions.close();
    sessions.wait().await;
    served
}

struct Service {
    discovery: Arc<Discovery>,
    /// Streams that have not said hello.
    strangers: Arc<Semaphore>,
    /// Nodes that are brought up from nothing or from a list.
    snapshots: Arc<Semaphore>,
    shutdown: CancellationToken,
    sessions: TaskTracker,
}

#[tonic::async_trait]
impl discovery_server::Discovery for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        if self.shutdown.is_cancelled() {
            return Err(Status::unavailable("this control plane ends"));
        }
        let metrics = self.discovery.nodes.metrics();
        let Ok(stranger) = Arc::clone(&self.strangers).try_acquire_owned() else {
            Metrics::add(&metrics.refused, 1);
            return Err(Status::resource_exhausted("too many nodes connect at once"));
        };
        Metrics::add(&metrics.sessions, 1);
        let address = request.remote_addr();
        // Without TLS a node is believed: nobody else can connect, or it was allowed by name.
        let names = match self.discovery.options.tls {
            Some(_) => Some(Names::shown(
                request.peer_certs().as_ref().map(|it| &***it),
            )?),
            None => None,
        };
        let (outgoing, messages) = mpsc::channel(MAX_WAITING);
        let arrival = Arrival {
            discovery: Arc::clone(&self.discovery),
            snapshots: Arc::clone(&self.snapshots),
            names,
            address: address.map_or_else(String::new, |address| address.to_string()),
            incoming: request.into_inner(),
            outgoing,
        };
        self.sessions
            .spawn(arrival.serve(stranger, self.shutdown.clone()));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

/// A stream that has just been opened.
struct Arrival {
    discovery: Arc<Discovery>,
    snapshots: Arc<Semaphore>,
    /// What its certificate calls it.
    names: Option<Names>,
    address: String,
    incoming: Streaming<NodeMessage>,
    outgoing: mpsc::Sender<Result<ControlMessage, Status>>,
}

impl Arrival {
    async fn serve(mut self, stranger: OwnedSemaphorePermit, shutdown: CancellationToken) {
        let outgoing = self.outgoing.clone();
        let hello = tokio::select! {
            hello = self.hello() => hello,
            () = shutdown.cancelled() => Err(Status::unavailable("this control plane ends")),
        };
        drop(stranger);
        let ended = match hello {
            Ok(hello) => match self
                .names
                .as_ref()
                .map_or(Ok(()), |it| it.allow(&hello.node_id))
            {
                Ok(()) => self.session(hello, shutdown).await,
                Err(status) => {
                    tracing::warn!(
                        node.id = hello.node_id,
                        address = self.address,
                        reason = status.message(),
                        "refused a node"
                    );
                    status
                }
            },
            Err(status) => status,
        };
        // A node that takes nothing any more need not be told.
        let _ = outgoing.try_send(Err(ended));
    }

    async fn session(self, mut hello: Hello, shutdown: CancellationToken) -> Status {
        let registration = self.discovery.nodes.enter(&hello, self.address);
        let id = registration.id().to_owned();
        tracing::info!(node.id = %id, version = hello.version, "a node has connected");
        let replaced = registration.replaced().clone();
        let kinds = hello
            .kinds
            .iter()
            .filter_map(|kind| kind.parse().ok())
            .collect();
        let mut session = Session::new(
            self.discovery,
            registration,
            kinds,
            self.incoming,
            self.outgoing,
        );
        let ended = tokio::select! {
            ended = session.run(hello.resume.take(), (self.snapshots, shutdown)) => ended,
            () = replaced.cancelled() => Err(session_replaced()),
        };
        let ended = ended
            .err()
            .unwrap_or_else(|| Status::ok("the node has gone"));
        tracing::info!(node.id = %id, reason = ended.message(), "a node's stream has ended");
        ended
    }

    async fn hello(&mut self) -> Result<Hello, Status> {
        let first = timeout(self.discovery.limits.hello_timeout, self.incoming.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no hello in time"))??;
        match first.and_then(|message| message.message) {
            Some(Message::Hello(hello)) if (1..=253).contains(&hello.node_id.len()) => Ok(hello),
            Some(Message::Hello(_)) => Err(Status::invalid_argument("`node_id` is 1 to 253 bytes")),
            _ => Err(Status::invalid_argument("the first message is `hello`")),
        }
    }
}

fn session_replaced() -> Status {
    Status::already_exists("another stream of this node is open")
}

//! Accepts the nodes' streams.

use std::{pin::Pin, time::Duration};

use gatewright_proto::v1::{
    ControlMessage, Goaway, Hello, NodeMessage,
    control_message::Message as Control,
    discovery_server::{Discovery, DiscoveryServer},
    node_message::Message,
};
use rand::Rng as _;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, ServerTlsConfig},
};

use super::{Nodes, session::Session};
use crate::catalog::Catalog;

/// Time for a node to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that may wait to be written to one node.
const MAX_WAITING: usize = 4;
/// Largest message from a node.
const MAX_MESSAGE_BYTES: usize = 4 << 20;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one stream lasts at most, so that nodes spread over control planes again: this, a fifth more
/// or less.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// How the stream is offered.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this control plane.
    pub control_plane_id: String,
    /// Over how long nodes are told to come back when this control plane ends.
    pub goaway_spread: Duration,
    /// TLS, with the nodes' authorities; none is plain text.
    pub tls: Option<ServerTlsConfig>,
}

/// Serves until `shutdown`.
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
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .tcp_nodelay(true);
    if let Some(tls) = options.tls.clone() {
        server = server.tls_config(tls)?;
    }
    let service = Service {
        options,
        catalog,
        nodes,
        shutdown: shutdown.clone(),
    };
    let service = DiscoveryServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
    server
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.cancelled_owned())
        .await
}

struct Service {
    options: Options,
    catalog: Catalog,
    nodes: Nodes,
    shutdown: CancellationToken,
}

#[tonic::async_trait]
impl Discovery for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<ControlMessage, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<NodeMessage>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let address = request.remote_addr().map(|address| address.to_string());
        let mut incoming = request.into_inner();
        let (outgoing, messages) = mpsc::channel(MAX_WAITING);
        let (catalog, nodes) = (self.catalog.clone(), self.nodes.clone());
        let (options, shutdown) = (self.options.clone(), self.shutdown.clone());
        tokio::spawn(async move {
            let hello = match hello(&mut incoming).await {
                Ok(hello) => hello,
                Err(status) => {
                    let _ = outgoing.send(Err(status)).await;
                    return;
                }
            };
            let id = hello.node_id.clone();
            let replaced = nodes.enter(hello.clone(), address.unwrap_or_default());
            tracing::info!(node.id = %id, "a node has connected");
            let mut session = Session {
                catalog,
                nodes: nodes.clone(),
                control_plane_id: options.control_plane_id.clone(),
                hello,
                incoming,
                outgoing: outgoing.clone(),
                deviates: false,
                nonce: 0,
            };
            let ended = tokio::select! {
                ended = session.run() => ended.err().unwrap_or_else(|| Status::ok("")),
                () = replaced.cancelled() => Status::already_exists("another stream of this node is open"),
                () = shutdown.cancelled() => goaway(&outgoing, options.goaway_spread).await,
                () = tokio::time::sleep(age()) => goaway(&outgoing, Duration::ZERO).await,
            };
            tracing::info!(node.id = %id, reason = ended.message(), "a node's stream has ended");
            nodes.leave(&id, &replaced);
            let _ = outgoing.try_send(Err(ended));
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

async fn hello(incoming: &mut Streaming<NodeMessage>) -> Result<Hello, Status> {
    let first = timeout(HELLO_TIMEOUT, incoming.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello in 10 seconds"))??;
    match first.and_then(|message| message.message) {
        Some(Message::Hello(hello)) if !hello.node_id.is_empty() && hello.node_id.len() <= 253 => {
            Ok(hello)
        }
        Some(Message::Hello(_)) => Err(Status::invalid_argument("`node_id` is 1 to 253 bytes")),
        _ => Err(Status::invalid_argument("the first message is `hello`")),
    }
}

/// Tells a node when to come back: each at another time.
async fn goaway(
    outgoing: &mpsc::Sender<Result<ControlMessage, Status>>,
    spread: Duration,
) -> Status {
    let most = u32::try_from(spread.as_millis()).unwrap_or(u32::MAX);
    let message = Control::Goaway(Goaway {
        reconnect_after_ms: rand::rng().random_range(0..=most),
        reason: "this control plane ends or has been used for long".to_owned(),
    });
    let message = ControlMessage {
        message: Some(message),
    };
    let _ = outgoing.try_send(Ok(message));
    Status::unavailable("come back later, or to another control plane")
}

fn age() -> Duration {
    MAX_AGE.mul_f64(rand::rng().random_range(0.8..1.2))
}

//! The stage *accept*: connections, their number, TLS, the version of HTTP.

mod detect;
mod introduced;
mod prefixed;

use std::{
    io,
    net::{self, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatewright_engine::{ClientCertificate, ClientTls};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    exchange::{Connection, Protocol, TlsInfo},
    http1, http2,
    overload::Overload,
    proxy::Proxy,
    proxy_protocol::Port,
    telemetry::Telemetry,
    tls::{self, Tls},
};
use detect::detect;
use introduced::introduced;
use prefixed::Prefixed;

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the system refused to accept (out of descriptors, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// What workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) max_connections: usize,
    pub(crate) overload: Arc<Overload>,
    pub(crate) connections: AtomicUsize,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) tls: Tls,
    /// The ports whose connections begin with the PROXY protocol.
    pub(crate) introduced: Vec<Port>,
}

impl Shared {
    /// Notes how the task of a connection ended. A defect costs the connection that met it, and no more.
    pub(crate) fn ended(&self, ended: &Result<(), JoinError>) {
        if ended.as_ref().is_err_and(JoinError::is_panic) {
            self.telemetry.metrics.panics.inc();
            tracing::error!("a connection met a defect and was closed");
        }
    }
}

/// A place among the connections, until dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.connections.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(shared));
        shared.telemetry.metrics.connections.inc();
        let room = before < shared.max_connections && shared.overload.accepts();
        room.then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.telemetry.metrics.connections.dec();
    }
}

/// Accepts until `drain` is cancelled; then once more what is waiting already, so that no connection that
/// the kernel has taken for us is reset.
pub(crate) async fn accept(
    (plain, tls): (net::TcpListener, net::TcpListener),
    proxy: &Arc<Proxy>,
    shared: &Arc<Shared>,
    drain: &CancellationToken,
    connections: &mut JoinSet<()>,
) -> io::Result<()> {
    let (plain, tls) = (TcpListener::from_std(plain)?, TcpListener::from_std(tls)?);
    let acceptor = Acceptor {
        proxy,
        shared,
        drain,
    };
    loop {
        let (accepted, secure) = tokio::select! {
            accepted = plain.accept() => (accepted, false),
            accepted = tls.accept() => (accepted, true),
            () = drain.cancelled() => break,
            Some(ended) = connections.join_next() => {
                shared.ended(&ended);
                continue;
            }
        };
        match accepted {
            Ok(accepted) => acceptor.spawn(accepted, secure, connections),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for (listener, secure) in [(plain, false), (tls, true)] {
        // The runtime knows only what it was told last; the kernel knows what waits.
        let listener = listener.into_std()?;
        while let Ok((socket, peer)) = listener.accept() {
            socket.set_nonblocking(true)?;
            let socket = TcpStream::from_std(socket)?;
            acceptor.spawn((socket, peer), secure, connections);
        }
    }
    Ok(())
}

struct Acceptor<'a> {
    proxy: &'a Arc<Proxy>,
    shared: &'a Arc<Shared>,
    drain: &'a CancellationToken,
}

impl Acceptor<'_> {
    /// Serves a connection in a task of its own, unless there are too many.
    fn spawn(
        &self,
        (mut socket, peer): (TcpStream, SocketAddr),
        secure: bool,
        connections: &mut JoinSet<()>,
    ) {
        let Some(place) = Place::take(self.shared) else {
            self.shared.telemetry.metrics.connections_refused.inc();
            return;
        };
        let (proxy, drain) = (Arc::clone(self.proxy), self.drain.clone());
        connections.spawn(async move {
            let mut ends = (peer, socket.local_addr().unwrap_or(peer));
            // Every message is written at once; waiting for more to send with it only adds latency.
            let _ = socket.set_nodelay(true);
            let port = if secure { Port::Https } else { Port::Http };
            if place.0.introduced.contains(&port) {
                let who = introduced(&mut socket, ends, (&place.0, &proxy), &drain);
                let Some(told) = Box::pin(who).await else {
                    return;
                };
                ends = told;
            }
            if secure {
                serve_tls(socket, ends, &place.0.tls, proxy, drain).await;
            } else {
                serve_plain(socket, ends, proxy, drain).await;
            }
            drop(place);
        });
    }
}

async fn serve_plain(
    mut socket: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
    proxy: Arc<Proxy>,
    drain: CancellationToken,
) {
    let Some((protocol, read)) = detect(&mut socket, &proxy.limits, &drain).await else {
        return;
    };
    let connection = Arc::new(Connection::new(peer, local, None, protocol));
    let io = Prefixed::new(read.freeze(), socket);
    match protocol {
        Protocol::Http1 => http1::server::serve(io, connection, proxy, drain).await,
        Protocol::Http2 => http2::server::serve(io, connection, proxy, drain).await,
    }
}

async fn serve_tls(
    socket: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
    tls: &Tls,
    proxy: Arc<Proxy>,
    drain: CancellationToken,
) {
    let Ok(Ok((stream, asked))) = timeout(HANDSHAKE_TIMEOUT, tls.handshake(socket)).await else {
        return;
    };
    let session = stream.get_ref().1;
    let name = session.server_name().map(str::to_ascii_lowercase);
    let shown = session.peer_certificates();
    let info = TlsInfo {
        certificate: name.as_deref().and_then(|name| tls.certificate(name)),
        client: Arc::new(ClientTls {
            server_name: name.map(Into::into),
            asked,
            certificate: shown.and_then(ClientCertificate::read).map(Arc::new),
        }),
    };
    let protocol = match session.alpn_protocol() {
        Some(tls::HTTP2) => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let connection = Arc::new(Connection::new(peer, local, Some(info), protocol));
    match protocol {
        Protocol::Http1 => http1::server::serve(stream, connection, proxy, drain).await,
        Protocol::Http2 => http2::server::serve(stream, connection, proxy, drain).await,
    }
}

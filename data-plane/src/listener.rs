//! The stage *accept*: connections, their number, TLS, the version of HTTP.

use std::{
    io,
    net::{self, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    exchange::{Connection, Protocol, TlsInfo},
    http1, http2,
    proxy::Proxy,
    telemetry::Telemetry,
    tls,
};

/// Time for a TLS handshake, and for the first bytes of a connection.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the system refused to accept (out of descriptors, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// What a client that speaks HTTP/2 in plain text begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) max_connections: usize,
    pub(crate) connections: AtomicUsize,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) tls: Arc<rustls::ServerConfig>,
}

/// A place among the connections, until dropped.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let before = shared.connections.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(shared));
        shared.telemetry.metrics.connections.inc();
        (before < shared.max_connections).then_some(place)
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
    loop {
        let (accepted, secure) = tokio::select! {
            biased;
            accepted = plain.accept() => (accepted, false),
            accepted = tls.accept() => (accepted, true),
            () = drain.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => continue,
        };
        let Ok((socket, peer)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = Place::take(shared) else {
            shared.telemetry.metrics.connections_refused.inc();
            continue;
        };
        let (proxy, drain) = (Arc::clone(proxy), drain.clone());
        connections.spawn(async move {
            let local = socket.local_addr().unwrap_or(peer);
            let _ = socket.set_nodelay(true);
            if secure {
                serve_tls(socket, (peer, local), &place.0.tls, proxy, drain).await;
            } else {
                serve_plain(socket, (peer, local), proxy, drain).await;
            }
            drop(place);
        });
    }
}

async fn serve_plain(
    socket: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
    proxy: Arc<Proxy>,
    drain: CancellationToken,
) {
    let Some(protocol) = detect(&socket, proxy.limits.idle_timeout, &drain).await else {
        return;
    };
    let connection = Arc::new(Connection::new(peer, local, None, protocol));
    match protocol {
        Protocol::Http1 => http1::server::serve(socket, connection, proxy, drain).await,
        Protocol::Http2 => http2::server::serve(socket, connection, proxy, drain).await,
    }
}

/// Looks at the first bytes without taking them. None where the client goes or says nothing in time.
async fn detect(
    socket: &TcpStream,
    patience: Duration,
    drain: &CancellationToken,
) -> Option<Protocol> {
    let mut first = [0; PREFACE.len()];
    loop {
        let peeked = tokio::select! {
            peeked = timeout(patience, socket.peek(&mut first)) => peeked.ok()?.ok()?,
            () = drain.cancelled() => {
                // What has been sent already is answered all the same.
                timeout(Duration::from_millis(1), socket.peek(&mut first)).await.ok()?.ok()?
            }
        };
        return match &first[..peeked] {
            [] => None,
            begun if begun == PREFACE => Some(Protocol::Http2),
            begun if PREFACE.starts_with(begun) => {
                // Part of the preface: the rest is on its way, or it is something else.
                sleep(Duration::from_millis(1)).await;
                if peeked < 3 {
                    continue;
                } else {
                    Some(Protocol::Http2)
                }
            }
            _ => Some(Protocol::Http1),
        };
    }
}

async fn serve_tls(
    socket: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
    config: &Arc<rustls::ServerConfig>,
    proxy: Arc<Proxy>,
    drain: CancellationToken,
) {
    let handshake = TlsAcceptor::from(Arc::clone(config)).accept(socket);
    let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, handshake).await else {
        return;
    };
    let session = stream.get_ref().1;
    let info = TlsInfo {
        server_name: session
            .server_name()
            .map(|name| name.to_ascii_lowercase().into()),
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

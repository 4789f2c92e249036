//! Accepts connections to the admin API, in plain text or TLS, HTTP/1.1 or HTTP/2.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

/// Most connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// Time for a TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Wait before accepting again where it failed, which it does when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a connection comes from, where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(pub(super) Option<SocketAddr>);

/// How a listener serves.
#[derive(Clone)]
pub struct Serving {
    /// TLS; none is plain text.
    pub tls: Option<TlsAcceptor>,
    /// Time for requests in flight to end after `shutdown`.
    pub drain: Duration,
}

/// Serves until `shutdown`, and then until the requests in flight have ended.
pub async fn serve(
    listener: TcpListener,
    serving: Serving,
    router: Router,
    shutdown: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let (serving, router, watcher) = (serving.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            connection(stream, serving, router, watcher).await;
            drop(place);
        });
    }
    if timeout(serving.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("admin requests in flight were cut off");
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Place)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection to the admin API");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(stream: TcpStream, serving: Serving, router: Router, watcher: Watcher) {
    let from = stream.peer_addr().ok();
    // Only a matter of latency.
    let _ = stream.set_nodelay(true);
    let Some(tls) = serving.tls else {
        return exchanges(stream, from, router, watcher).await;
    };
    match timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => exchanges(stream, from, router, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake with the admin API failed"),
        Err(_) => tracing::debug!("a TLS handshake with the admin API took too long"),
    }
}

async fn exchanges<I>(stream: I, from: Option<SocketAddr>, router: Router, watcher: Watcher)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_concurrent_streams(100);
    let service = TowerToHyperService::new(Extension(Origin(from)).layer(router));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%error, "a connection to the admin API broke off");
    }
}

//! Accepts connections to the admin API, in plain text or TLS, HTTP/1.1 or HTTP/2.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, response::Response};
use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{Api, beat, router};

/// Most connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// Time for a TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a connection on which no token has been accepted, and as long again for its last exchange, where nothing else is said.
pub const STRANGER_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest head of an HTTP/1.1 request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most header fields of an HTTP/2 request, in bytes as they are counted there (RFC 9113, 6.5.2).
const MAX_HEADER_LIST_BYTES: u32 = 32 * 1024;

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
    /// Time for a connection on which no token has been accepted.
    pub strangers: Duration,
}

/// Whether a token was accepted on a connection. One on which none is, is closed before long: it takes the place of
/// others.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<AtomicBool>);

impl Known {
    /// One was.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What all connections of a listener share.
#[derive(Clone)]
struct Listening {
    serving: Serving,
    api: Api,
    router: Router,
    shutdown: CancellationToken,
}

/// Serves until `shutdown`, and then until the requests in flight have ended.
pub async fn serve(listener: TcpListener, serving: Serving, api: Api, shutdown: CancellationToken) {
    let (connections, places) = (
        TaskTracker::new(),
        Arc::new(Semaphore::new(MAX_CONNECTIONS)),
    );
    let drain = serving.drain;
    let listening = Listening {
        serving,
        router: router(api.clone()),
        api,
        shutdown: shutdown.clone(),
    };
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = shutdown.cancelled() => break,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let listening = listening.clone();
        connections.spawn(async move {
            listening.connection(stream).await;
            drop(place);
        });
    }
    connections.close();
    if timeout(drain, connections.wait()).await.is_err() {
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

impl Listening {
    async fn connection(self, stream: TcpStream) {
        let from = Origin(stream.peer_addr().ok());
        // Only a matter of latency.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.serving.tls.clone() else {
            return self.exchanges(stream, from).await;
        };
        match timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.exchanges(stream, from).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake with the admin API failed"),
            Err(_) => tracing::debug!("a TLS handshake with the admin API took too long"),
        }
    }

    async fn exchanges<I>(self, stream: I, from: Origin)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (known, shutdown) = (Known::default(), self.shutdown.clone());
        let strangers = self.serving.strangers;
        let service = self.service(from, known.clone());
        let connection = builder()
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = is_unknown_for_long(&known, strangers) => {
                tracing::debug!("a connection to the admin API has shown no token in time");
                connection.as_mut().graceful_shutdown();
                timeout(strangers, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the admin API broke off");
        }
    }

    /// What answers the requests of a connection.
    fn service(
        self,
        from: Origin,
        known: Known,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response,
        Error = Infallible,
        Future: Send + 'static,
    > + Send
    + 'static {
        service_fn(move |mut request: Request<Incoming>| {
            let beat = beat::answer(&self.api, &request);
            if beat.is_some() {
                known.set();
            }
            request.extensions_mut().insert(from);
            request.extensions_mut().insert(known.clone());
            let router = self.router.clone();
            async move {
                match beat {
                    Some(response) => Ok(response),
                    None => router.oneshot(request).await,
                }
            }
        })
    }
}

/// Returns when a connection has been open for long and no token was accepted on it.
async fn is_unknown_for_long(known: &Known, long: Duration) {
    sleep(long).await;
    if known.is_set() {
        pending::<()>().await;
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .max_header_list_size(MAX_HEADER_LIST_BYTES)
        .max_concurrent_streams(100);
    builder
}

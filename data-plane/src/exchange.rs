//! What passes between the codecs (`http1`, `http2`) and the request path (`proxy`).
//!
//! A codec reads a request, calls [`crate::proxy::Proxy::serve`] with it, and writes the answer. It owns
//! framing; the request path owns meaning. Hop-by-hop fields of the client side are the codec's to
//! act on (keep-alive, chunked, Expect) and the request path's to remove.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use gatewright_engine::{Certificate, ClientTls, Rejection};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

use crate::{
    body::Body,
    proxy::{Limits, Proxy},
    telemetry::Record,
};

/// One connection from a client.
#[derive(Debug)]
pub struct Connection {
    /// The other end.
    pub peer: SocketAddr,
    /// This end.
    pub local: SocketAddr,
    /// What TLS said; none without TLS.
    pub tls: Option<TlsInfo>,
    /// How it speaks.
    pub protocol: Protocol,
    /// The peer's address as a field value, written once a connection and not once a request.
    pub(crate) peer_text: HeaderValue,
    /// This end's port, likewise.
    pub(crate) port_text: HeaderValue,
}

impl Connection {
    /// Describes a connection that was accepted.
    pub fn new(
        peer: SocketAddr,
        local: SocketAddr,
        tls: Option<TlsInfo>,
        protocol: Protocol,
    ) -> Self {
        let text = peer.ip().to_canonical().to_string();
        Self {
            peer,
            local,
            tls,
            protocol,
            peer_text: HeaderValue::try_from(text).expect("an address is visible ASCII"),
            port_text: HeaderValue::from(local.port()),
        }
    }
}

/// What TLS said of a client.
#[derive(Debug)]
pub struct TlsInfo {
    /// What the client has said and shown, for plugins.
    pub client: Arc<ClientTls>,
    /// The certificate that was picked for it.
    pub certificate: Option<Arc<Certificate>>,
}

impl TlsInfo {
    /// Whether requests for this host may come on the connection: the client has been shown a certificate for
    /// it. Clients of HTTP/2 use one connection for all hosts of a certificate (RFC 9113, 9.1.1).
    pub(crate) fn speaks_for(&self, host: &str) -> bool {
        let named = self.client.server_name.as_deref() == Some(host);
        named || self.certificate.as_ref().is_some_and(|it| it.covers(host))
    }
}

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    /// Its name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

/// A request as a codec has read it. Boxed from the codec to the upstream: it is large, and on its way it
/// passes through many hands.
///
/// The URI has a path and query; scheme and authority where the client sent them (absolute form,
/// pseudo-header fields). The codec has checked that there is exactly one valid Host (RFC 9112
/// section 3.2), and that it agrees with the authority. `Transfer-Encoding` and `Content-Length`
/// describe the body's framing unambiguously or the codec has refused the message.
#[derive(Debug)]
pub struct Incoming {
    /// Head and body.
    pub request: Request<Body>,
    /// The protocol the client wants to switch to, in lower case: from `Upgrade` on HTTP/1.1,
    /// `:protocol` of extended CONNECT on HTTP/2 (RFC 8441).
    pub upgrade: Option<Box<str>>,
    /// Where 1xx answers of the upstream go.
    pub interim: Interim,
}

/// The answer for a codec to write.
#[derive(Debug)]
pub struct Answer {
    /// Head and body. Hop-by-hop fields are removed; framing fields are the codec's to write.
    pub response: Box<Response<Body>>,
    /// The request's id, to be written instead of what the head says of one.
    pub request_id: Option<HeaderValue>,
    /// After the head (101 on HTTP/1.1, 200 on HTTP/2), bytes flow both ways between client and this.
    pub tunnel: Option<Box<dyn Tunnel>>,
    /// Whether the connection must be closed after it.
    pub close: bool,
    /// To be told what became of it; dropped untold, the client went away.
    pub record: Record,
}

/// The upstream side of a connection that switched protocols.
pub trait Tunnel: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Tunnel for T {}

/// Carries 1xx answers to the client, at most [`Interim::MAX`] waiting; further ones are dropped.
#[derive(Clone, Debug)]
pub struct Interim(Way);

#[derive(Clone, Debug)]
enum Way {
    Nowhere,
    Channel(mpsc::Sender<(StatusCode, HeaderMap)>),
    Queue(Arc<InterimQueue>),
}

impl Interim {
    /// How many may wait.
    pub const MAX: usize = 8;

    /// Through this channel.
    pub const fn new(sender: mpsc::Sender<(StatusCode, HeaderMap)>) -> Self {
        Self(Way::Channel(sender))
    }

    /// Through this queue, which whoever polls the request path empties after it.
    pub const fn queue(queue: Arc<InterimQueue>) -> Self {
        Self(Way::Queue(queue))
    }

    /// To nowhere: HTTP/1.0 clients get none.
    pub const fn none() -> Self {
        Self(Way::Nowhere)
    }

    /// Passes one on.
    pub fn send(&self, status: StatusCode, headers: HeaderMap) {
        match &self.0 {
            Way::Nowhere => {}
            Way::Channel(sender) => {
                let _ = sender.try_send((status, headers));
            }
            Way::Queue(queue) => queue.push(status, headers),
        }
    }
}

/// 1xx answers of one exchange that wait for their codec. Empty, it costs nothing but its place: a
/// channel for each of many streams would not.
#[derive(Debug, Default)]
pub struct InterimQueue {
    /// Whether any has come; most exchanges have none, and look no further.
    used: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: Vec<(StatusCode, HeaderMap)>,
    /// Whether `100 Continue` was among them: both the upstream and what reads the body may ask for it.
    continued: bool,
}

impl InterimQueue {
    /// Adds one, unless there are too many.
    pub(crate) fn push(&self, status: StatusCode, headers: HeaderMap) {
        let mut waiting = self.waiting();
        self.used.store(true, Ordering::Relaxed);
        if status == StatusCode::CONTINUE && std::mem::replace(&mut waiting.continued, true) {
            return;
        }
        if waiting.answers.len() < Interim::MAX {
            waiting.answers.push((status, headers));
        }
    }

    /// Takes all.
    pub(crate) fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        if !self.used.load(Ordering::Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut self.waiting().answers)
    }

    /// Takes the first.
    pub(crate) fn pop(&self) -> Option<(StatusCode, HeaderMap)> {
        if !self.used.load(Ordering::Relaxed) {
            return None;
        }
        let mut waiting = self.waiting();
        let any = !waiting.answers.is_empty();
        any.then(|| waiting.answers.remove(0))
    }

    /// Begins another exchange: what is left of the one before is not for it.
    pub(crate) fn begin(&self) {
        if self.used.load(Ordering::Relaxed) {
            *self.waiting() = Waiting::default();
            self.used.store(false, Ordering::Relaxed);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request path, as codecs see it.
pub trait Exchange: Send + Sync + 'static {
    /// Bounds on what a client may send.
    fn limits(&self) -> &Limits;

    /// Answers a request.
    fn serve(
        &self,
        connection: &Arc<Connection>,
        incoming: Box<Incoming>,
    ) -> impl Future<Output = Answer> + Send;

    /// Answers what could not be read as a request. The connection is closed after it.
    fn refuse(&self, connection: &Arc<Connection>, rejection: &Rejection) -> Answer;
}

impl Exchange for Proxy {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn serve(
        &self,
        connection: &Arc<Connection>,
        incoming: Box<Incoming>,
    ) -> impl Future<Output = Answer> + Send {
        Self::serve(self, connection, incoming)
    }

    fn refuse(&self, connection: &Arc<Connection>, rejection: &Rejection) -> Answer {
        Self::refuse(self, connection, rejection)
    }
}

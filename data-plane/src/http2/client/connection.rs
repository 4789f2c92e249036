//! One connection to a target, shared by requests.

mod drive;

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use tokio::{
    sync::{Notify, SetOnce},
    time::{Instant, timeout, timeout_at},
};

use super::{super::patient::Patient, Sender, lane::Lane, seat::Seat};
use crate::connect::{self, Origin, SendError};
use drive::drive;

/// What a target may send ahead on one stream, and on all of a connection: so much more that clients who
/// read slowly do not stop the others.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// What of requests' bodies may wait in the connection, a stream.
const MAX_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Most fields of a response, in bytes.
const MAX_HEAD_BYTES: u32 = 256 * 1024;
/// Most streams on a connection, whatever the target would take.
const MAX_STREAMS: usize = 1000;
/// Time for the target to take what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that requests share.
#[derive(Clone)]
pub(super) struct Shared {
    sender: SendRequest<Bytes>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Places taken.
    streams: AtomicUsize,
    /// Grows with every request.
    begun: AtomicU64,
    /// Grows with everything that comes back.
    heard: AtomicU64,
    /// Whether it takes no more streams.
    gone: AtomicBool,
    /// Its place among those that there may be, where they are limited.
    seat: OnceLock<Seat>,
    /// Somebody must know the target's settings.
    asked: Notify,
    /// The target's settings have come, or never will.
    settled: SetOnce<()>,
}

impl Shared {
    /// Opens one, driven by a task of its own until it is over.
    pub(super) async fn open(
        origin: &Origin,
        deadline: Instant,
        patience: Duration,
        lane: Weak<Lane>,
    ) -> Result<Self, SendError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let opened = connect::open(origin, left).await;
        let io = opened.map_err(|error| match error {
            SendError::ConnectTimeout(_) => SendError::ConnectTimeout(patience),
            other => other,
        })?;
        let mut builder = builder();
        if origin.link.gate.is_some() {
            // Until the target has said how many it takes.
            builder.initial_max_send_streams(1);
        }
        let greeting = builder.handshake(Patient::new(io, WRITE_TIMEOUT));
        let Ok(greeted) = timeout_at(deadline, greeting).await else {
            return Err(SendError::ConnectTimeout(patience));
        };
        let (sender, frames) =
            greeted.map_err(|error| SendError::Connect(io::Error::other(error)))?;
        let state = Arc::new(State::default());
        tokio::spawn(drive(frames, Arc::clone(&state), lane));
        Ok(Self { sender, state })
    }

    /// Asks how many streams it takes. Who waits for it is called when that is known: it must not be given more, which would
    /// wait in it unseen.
    pub(super) fn ask(&self) {
        self.state.asked.notify_one();
    }

    /// Gives it its place among those that there may be.
    pub(super) fn sit(&self, seat: Seat) {
        let seat = self.state.seat.get_or_init(|| seat);
        if self.state.gone.load(Ordering::Acquire) {
            seat.release();
        }
    }

    /// Gives that place back, since it is to be closed.
    pub(super) fn stand(&self) {
        if let Some(seat) = self.state.seat.get() {
            seat.release();
        }
    }

    /// Takes a place on it.
    pub(super) fn place(&self, reused: bool) -> Place {
        self.state.streams.fetch_add(1, Ordering::Relaxed);
        Place {
            sender: self.sender.clone(),
            state: Arc::clone(&self.state),
            reused,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams() < self.sender.current_max_send_streams().min(MAX_STREAMS)
    }

    pub(super) fn streams(&self) -> usize {
        self.state.streams.load(Ordering::Relaxed)
    }

    /// Whether it takes no more streams, ever.
    pub(super) fn is_gone(&mut self) -> bool {
        // Never pending: only a handle that has sent a request waits for its stream to open.
        let mut context = Context::from_waker(Waker::noop());
        let failed = matches!(self.sender.poll_ready(&mut context), Poll::Ready(Err(_)));
        failed || self.state.gone.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(out)
    }
}

/// One stream's place on a connection, until dropped.
pub(super) struct Place {
    sender: SendRequest<Bytes>,
    state: Arc<State>,
    reused: bool,
}

impl Place {
    /// Opens the stream.
    ///
    /// # Errors
    /// [`SendError::Refused`] where the connection has ended meanwhile: nothing was sent.
    pub(super) fn begin(
        &mut self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, Sender), SendError> {
        self.state.begun.fetch_add(1, Ordering::Relaxed);
        self.sender.send_request(request, ends).map_err(|error| {
            if error.is_go_away() || error.is_io() {
                self.state.gone.store(true, Ordering::Relaxed);
                return SendError::Refused;
            }
            SendError::Malformed("the request cannot be sent over HTTP/2")
        })
    }

    /// Whether others had used the connection before.
    pub(super) const fn is_reused(&self) -> bool {
        self.reused
    }

    /// Notes that something came back.
    pub(super) fn heard(&self) {
        self.state.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the target takes extended CONNECT (RFC 8441). Its settings may still be on their way.
    pub(super) async fn check_connect_protocol(&self, patience: Duration) -> Result<(), SendError> {
        if !self.sender.is_extended_connect_protocol_enabled() {
            self.state.asked.notify_one();
            let _ = timeout(patience, self.state.settled.wait()).await;
        }
        if self.sender.is_extended_connect_protocol_enabled() {
            return Ok(());
        }
        let detail = "the target does not take extended CONNECT";
        Err(SendError::Malformed(detail))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.state.streams.fetch_sub(1, Ordering::Relaxed);
        if let Some(seat) = self.state.seat.get() {
            seat.left(before == 1);
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_send_buffer_size(MAX_SEND_BUFFER_BYTES);
    builder
}

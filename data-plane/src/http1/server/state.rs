//! A client's connection, shared by the task that serves it and the body of the request in flight.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use super::super::{deadline::Deadline, decoder::Decoder};

/// First size of the read buffer, and its largest, which bodies make it grow to.
const MIN_READ_BYTES: usize = 8 * 1024;
const MAX_READ_BYTES: usize = 256 * 1024;

/// The connection.
pub(super) struct State<Io> {
    pub(super) io: Io,
    pub(super) input: BytesMut,
    /// How the body in flight is framed.
    pub(super) decoder: Decoder,
    /// Whether the client still waits for `100 Continue`.
    pub(super) expects: bool,
    /// Whether somebody wants the body, so that the client must be told to send it.
    pub(super) wanted: bool,
    pub(super) deadline: Deadline,
    /// Counts the bodies, so that one which outlives its request reads nothing of the next.
    pub(super) bodies: u64,
    read_bytes: usize,
}

/// The state; one task polls all who share it, so it is never contended.
pub(super) fn lock<Io>(state: &Mutex<State<Io>>) -> MutexGuard<'_, State<Io>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Io> State<Io> {
    pub(super) fn new(io: Io) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            decoder: Decoder::End,
            expects: false,
            deadline: Deadline::default(),
            wanted: false,
            bodies: 0,
            read_bytes: MIN_READ_BYTES,
        }
    }

    /// A body begins. Returns its number.
    pub(super) fn begin_body(&mut self, decoder: Decoder, expects: bool) -> u64 {
        self.decoder = decoder;
        self.expects = expects;
        self.wanted = false;
        self.bodies += 1;
        self.bodies
    }

    /// Between two requests: nothing of the last one counts any more, and its large buffer goes back.
    pub(super) fn rest(&mut self) {
        self.bodies += 1;
        self.deadline.stop();
        if self.read_bytes > MIN_READ_BYTES && self.input.is_empty() {
            self.read_bytes = MIN_READ_BYTES;
            self.input = BytesMut::new();
        }
    }
}

impl<Io: AsyncRead + Unpin> State<Io> {
    /// Reads more into the buffer; 0 is the end.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // What was read lives on in slices of the buffer: a new one for each message would be one allocation
        // each, so the rest of it is used up first.
        if self.input.capacity() - self.input.len() < self.read_bytes / 4 {
            self.input.reserve(self.read_bytes);
        }
        let room = self.input.capacity() - self.input.len();
        let read = ready!(poll_read_buf(
            Pin::new(&mut self.io),
            context,
            &mut self.input
        ))?;
        if read == room && room >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(MAX_READ_BYTES);
        }
        Poll::Ready(Ok(read))
    }
}

//! A client's connection, shared by the task that serves it and the body of the request in flight.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::AsyncRead;

use super::super::{deadline::Deadline, decoder::Decoder, pace::Pace};

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
    /// Whether the body failed, so that nobody knows where the next request begins.
    pub(super) broken: bool,
    pub(super) deadline: Deadline,
    /// Counts the bodies, so that one which outlives its request reads nothing of the next.
    pub(super) bodies: u64,
    pace: Pace,
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
            broken: false,
            bodies: 0,
            pace: Pace::new(),
        }
    }

    /// A body begins. Returns its number.
    pub(super) fn begin_body(&mut self, decoder: Decoder, expects: bool) -> u64 {
        if let Some(length) = decoder.size_hint() {
            self.pace.expect(length);
        }
        self.decoder = decoder;
        self.expects = expects;
        self.wanted = false;
        self.broken = false;
        self.bodies += 1;
        self.bodies
    }

    /// Between two requests: nothing of the last one counts any more, and its large buffer goes back.
    pub(super) fn rest(&mut self) {
        self.bodies += 1;
        self.deadline.stop();
        self.pace.rest(&mut self.input);
    }
}

impl<Io: AsyncRead + Unpin> State<Io> {
    /// Reads more into the buffer; 0 is the end.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.pace
            .poll_fill((&mut self.io, &mut self.input), context)
    }
}

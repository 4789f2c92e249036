//! One connection to a target.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::{deadline::Deadline, outbox::Outbox, pace::Pace, scan::Scan};
use crate::{connect::Io, guard::gate::Place};

/// A connection, with what was read too much and what waits to be sent.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) io: Io,
    pub(super) input: BytesMut,
    pub(super) outbox: Outbox,
    pub(super) scan: Scan,
    /// For whatever is waited for; with the connection, as its timer is worth keeping.
    pub(super) deadline: Deadline,
    pub(super) pace: Pace,
    /// Its place among those that there may be. Dropped with it.
    _place: Option<Place>,
}

impl Upstream {
    pub(super) fn new(io: Io, place: Option<Place>) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            outbox: Outbox::default(),
            scan: Scan::default(),
            deadline: Deadline::default(),
            pace: Pace::new(),
            _place: place,
        }
    }

    /// Reads more into the buffer; 0 is the end.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.pace
            .poll_fill((&mut self.io, &mut self.input), context)
    }

    /// Whether an idle connection can be used: nothing has come, not even the end.
    pub(super) fn is_alive(&mut self) -> bool {
        self.input.is_empty() && self.io.is_idle()
    }

    /// Gives large buffers back before it waits on the shelf.
    pub(super) fn rest(&mut self) {
        self.pace.rest(&mut self.input);
        self.scan = Scan::default();
        self.deadline.stop();
    }
}

/// After switching protocols it is a plain stream of bytes.
impl AsyncRead for Upstream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let len = self.input.len().min(buffer.remaining());
        buffer.put_slice(&self.input[..len]);
        self.input.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

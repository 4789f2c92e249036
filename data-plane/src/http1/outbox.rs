//! Bytes on their way out of a connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// Chunks up to this many bytes are copied behind the head: one segment is cheaper to send than three.
const COPY_BYTES: usize = 8 * 1024;

/// How much small matter may wait before more is asked of the source.
const ROOM_BYTES: usize = 16 * 1024;

/// Three segments, sent in this order by as few calls as possible: small matter, one large chunk as it
/// came, and what closes that chunk.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    front: Vec<u8>,
    front_sent: usize,
    chunk: Bytes,
    back: &'static [u8],
    /// Whether what was written may still wait below, in a TLS record that the socket had no room for.
    unflushed: bool,
}

impl Outbox {
    /// Where heads are written. Valid only while there [is room](Self::has_room).
    pub(super) const fn front(&mut self) -> &mut Vec<u8> {
        &mut self.front
    }

    /// Whether everything was sent.
    pub(super) const fn is_empty(&self) -> bool {
        self.is_written() && !self.unflushed
    }

    const fn is_written(&self) -> bool {
        self.front.is_empty() && self.chunk.is_empty() && self.back.is_empty()
    }

    /// Whether more may be put in.
    pub(super) const fn has_room(&self) -> bool {
        self.chunk.is_empty() && self.back.is_empty() && self.front.len() < ROOM_BYTES
    }

    /// Puts in a piece of a body and what closes it.
    pub(super) fn push(&mut self, chunk: Bytes, back: &'static [u8]) {
        if chunk.len() <= COPY_BYTES {
            self.front.extend_from_slice(&chunk);
            self.front.extend_from_slice(back);
        } else {
            self.chunk = chunk;
            self.back = back;
        }
    }

    /// Sends until nothing is left.
    pub(super) fn poll_send<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_written() {
            let sent = ready!(self.poll_once(io, context))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(sent);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// How many bytes wait: shrinks exactly when there is progress.
    pub(super) const fn len(&self) -> usize {
        self.front.len() - self.front_sent + self.chunk.len() + self.back.len()
    }

    fn poll_once<W: AsyncWrite + Unpin>(
        &self,
        io: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let front = &self.front[self.front_sent..];
        let io = Pin::new(io);
        if self.chunk.is_empty() && self.back.is_empty() {
            return io.poll_write(context, front);
        }
        if io.is_write_vectored() {
            let segments = [
                IoSlice::new(front),
                IoSlice::new(&self.chunk),
                IoSlice::new(self.back),
            ];
            let first = usize::from(front.is_empty());
            return io.poll_write_vectored(context, &segments[first..]);
        }
        let next = [front, &self.chunk, self.back]
            .into_iter()
            .find(|segment| !segment.is_empty());
        io.poll_write(context, next.unwrap_or_default())
    }

    fn advance(&mut self, mut sent: usize) {
        let front = sent.min(self.front.len() - self.front_sent);
        self.front_sent += front;
        sent -= front;
        if self.front_sent == self.front.len() {
            self.front.clear();
            self.front_sent = 0;
        }
        let chunk = sent.min(self.chunk.len());
        self.chunk.advance(chunk);
        sent -= chunk;
        if self.chunk.is_empty() {
            // Lets go of the buffer it was read into, so that the next read can use it.
            self.chunk = Bytes::new();
        }
        self.back = &self.back[sent.min(self.back.len())..];
    }
}

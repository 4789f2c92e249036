//! How much is read at a time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// What heads and small bodies are read into.
const MIN_BYTES: usize = 8 * 1024;
/// What large bodies are read into: fewer and larger pieces cost less.
const MAX_BYTES: usize = 256 * 1024;

/// Grows with what arrives at once, and begins anew with the next message.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: usize,
}

impl Pace {
    /// For a head.
    pub(super) const fn new() -> Self {
        Self { bytes: MIN_BYTES }
    }

    /// A body of this length is to come.
    pub(super) fn expect(&mut self, length: u64) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.bytes = length.clamp(MIN_BYTES, MAX_BYTES);
    }

    /// Reads more into the buffer; 0 is the end.
    pub(super) fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        (io, input): (&mut R, &mut BytesMut),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // While a head lives, its part of the buffer cannot be reused: what is behind it is used up before
        // there is a new one. Of a large body the pieces are gone when the next one is read.
        let least = match self.bytes {
            MIN_BYTES => MIN_BYTES / 4,
            large => large,
        };
        if input.capacity() - input.len() < least {
            input.reserve(self.bytes);
        }
        let room = input.capacity() - input.len();
        let read = ready!(poll_read_buf(Pin::new(io), context, input))?;
        if read == room && room >= self.bytes {
            self.bytes = (self.bytes * 2).min(MAX_BYTES);
        }
        Poll::Ready(Ok(read))
    }

    /// The message is over: gives a large buffer back, since idle connections are many.
    pub(super) fn rest(&mut self, input: &mut BytesMut) {
        if self.bytes > MIN_BYTES && input.is_empty() {
            self.bytes = MIN_BYTES;
            *input = BytesMut::new();
        }
    }
}

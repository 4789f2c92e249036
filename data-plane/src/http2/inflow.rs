//! The frames of a message's body, as they arrive, in either direction.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};

/// Reads a stream. The sender may send as much again as has been taken.
pub(super) struct Inflow {
    stream: RecvStream,
    /// What is left of the announced length. `h2` holds the sender to it.
    left: Option<u64>,
}

impl Inflow {
    /// Of this announced length; none where it is not known.
    pub(super) const fn new(stream: RecvStream, left: Option<u64>) -> Self {
        Self { stream, left }
    }

    /// The next frame; trailers are the last.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        while let Some(data) = ready!(self.stream.poll_data(context)) {
            let data = data?;
            if data.is_empty() {
                continue;
            }
            self.stream.flow_control().release_capacity(data.len())?;
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let trailers = ready!(self.stream.poll_trailers(context))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    /// Whether nothing more comes.
    pub(super) fn is_end(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// What is known of the bytes to come.
    pub(super) fn size_hint(&self) -> SizeHint {
        let exact = self.left.map(SizeHint::with_exact);
        exact.unwrap_or_default()
    }
}

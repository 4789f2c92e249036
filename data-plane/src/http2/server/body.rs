//! The body of a request, as its frames arrive.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};

use crate::{body::BodyError, exchange::InterimQueue, http1::deadline::Deadline};

/// Reads a stream. The client may send as much again as has been taken.
pub(super) struct RequestBody {
    pub(super) stream: RecvStream,
    /// What is left of the announced length. `h2` holds the client to it.
    pub(super) left: Option<u64>,
    pub(super) timeout: Duration,
    pub(super) deadline: Deadline,
    /// Where to say `100 Continue` when the body is asked for, unless that has been said.
    pub(super) awaited: Option<Arc<InterimQueue>>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(interim) = self.awaited.take() {
            interim.push(StatusCode::CONTINUE, HeaderMap::new());
        }
        let polled = self.poll_stream(context);
        if polled.is_ready() {
            self.deadline.stop();
            return polled;
        }
        let timeout = self.timeout;
        let late = self.deadline.poll(timeout, context);
        late.map(|()| Some(Err(BodyError::Timeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl RequestBody {
    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while let Some(data) = ready!(self.stream.poll_data(context)) {
            let data = data.map_err(failed)?;
            if data.is_empty() {
                continue;
            }
            self.stream
                .flow_control()
                .release_capacity(data.len())
                .map_err(failed)?;
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let trailers = ready!(self.stream.poll_trailers(context)).map_err(failed)?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

fn failed(error: h2::Error) -> BodyError {
    if error.is_remote() || error.is_io() {
        return BodyError::Closed;
    }
    BodyError::Http2(error)
}

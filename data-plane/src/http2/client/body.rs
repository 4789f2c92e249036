//! The body of a response, as its frames arrive.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Frame, SizeHint};

use super::{connection::Place, upload::Upload};
use crate::{
    body::{Body, BodyError},
    connect::SendError,
    http1::deadline::Deadline,
};

/// Reads a stream, and sends what is left of the request's body meanwhile.
pub(super) struct ResponseBody {
    pub(super) stream: RecvStream,
    /// What is left of the announced length. `h2` holds the target to it.
    pub(super) left: Option<u64>,
    pub(super) upload: Option<Upload>,
    pub(super) place: Place,
    pub(super) patience: Option<Duration>,
    pub(super) deadline: Deadline,
}

impl ResponseBody {
    /// Nothing at all needs no stream.
    pub(super) fn into_body(self) -> Body {
        if self.stream.is_end_stream() {
            return Body::Empty;
        }
        Body::Stream(Box::pin(self))
    }

    /// Whether bytes of the request's body moved.
    fn send(&mut self, context: &mut Context<'_>) -> Result<bool, BodyError> {
        let Some(upload) = &mut self.upload else {
            return Ok(false);
        };
        let before = upload.sent();
        match upload.poll(context) {
            Poll::Ready(Err(SendError::RequestBody(error))) => return Err(error),
            Poll::Ready(_) => self.upload = None,
            Poll::Pending => return Ok(upload.sent() != before),
        }
        Ok(true)
    }

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

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let moved = match self.send(context) {
            Ok(moved) => moved,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let polled = self.poll_stream(context);
        if polled.is_ready() {
            self.place.heard();
        }
        if polled.is_ready() || moved {
            self.deadline.stop();
        }
        let Some(patience) = self.patience.filter(|_| polled.is_pending()) else {
            return polled;
        };
        let late = self.deadline.poll(patience, context);
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

fn failed(error: h2::Error) -> BodyError {
    match error.reason() {
        Some(Reason::NO_ERROR | Reason::CANCEL) => BodyError::Closed,
        _ if error.is_io() => BodyError::Closed,
        _ => BodyError::Http2(error),
    }
}

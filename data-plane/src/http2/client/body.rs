//! The body of a response, as its frames arrive.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::Reason;
use http_body::{Frame, SizeHint};

use super::{super::inflow::Inflow, connection::Place, upload::Upload};
use crate::{
    body::{Body, BodyError},
    connect::SendError,
    http1::deadline::Deadline,
};

/// Reads a stream, and sends what is left of the request's body meanwhile.
pub(super) struct ResponseBody {
    pub(super) inflow: Inflow,
    pub(super) upload: Option<Upload>,
    pub(super) place: Place,
    pub(super) patience: Option<Duration>,
    pub(super) deadline: Deadline,
}

impl ResponseBody {
    /// Nothing at all needs no stream.
    pub(super) fn into_body(self) -> Body {
        if self.inflow.is_end() {
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
        let polled = self.inflow.poll(context).map_err(failed);
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
        self.inflow.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.inflow.size_hint()
    }
}

fn failed(error: h2::Error) -> BodyError {
    match error.reason() {
        Some(Reason::NO_ERROR | Reason::CANCEL) => BodyError::Closed,
        _ if error.is_io() => BodyError::Closed,
        _ => BodyError::Http2(error),
    }
}

//! The body of a request, as its frames arrive.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};

use super::super::inflow::Inflow;
use crate::{body::BodyError, exchange::InterimQueue, http1::deadline::Deadline};

/// Reads a stream, in time.
pub(super) struct RequestBody {
    pub(super) inflow: Inflow,
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
        let polled = self.inflow.poll(context).map_err(failed);
        if polled.is_ready() {
            self.deadline.stop();
            return polled;
        }
        let timeout = self.timeout;
        let late = self.deadline.poll(timeout, context);
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
    if error.is_remote() || error.is_io() {
        return BodyError::Closed;
    }
    BodyError::Http2(error)
}

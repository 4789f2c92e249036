//! The body of a request, on its way to a target.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use h2::Reason;
use http::{Request, header};
use http_body::Body as _;

use super::{
    super::outflow::{Broken, Outflow},
    Sender,
};
use crate::{body::Body, connect::SendError, http1::deadline::Deadline};

/// How long a target that was told of a body may leave us waiting for `100 Continue` (RFC 9110, 10.1.1).
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends a body while the response is waited for and read.
pub(super) struct Upload {
    outflow: Outflow,
    /// Whether there is no more to send.
    pub(super) is_done: bool,
    waits: bool,
    deadline: Deadline,
}

impl Upload {
    pub(super) fn new(stream: Sender, body: Body, request: &Request<Body>) -> Self {
        let announced = body.size_hint().exact();
        Self {
            outflow: Outflow::new(stream, body, announced),
            is_done: false,
            waits: request.headers().contains_key(header::EXPECT),
            deadline: Deadline::default(),
        }
    }

    pub(super) const fn sent(&self) -> u64 {
        self.outflow.sent()
    }

    /// Whether all that has come of the body was sent, and more is to come: silence is then not the target's.
    pub(super) fn waits_for_client(&self) -> bool {
        !self.is_done && !self.waits && self.outflow.waits_for_body()
    }

    /// Whether the body is held back until the target asks for it.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waits && !self.is_done
    }

    /// The target wants the body.
    pub(super) const fn go_on(&mut self) {
        self.waits = false;
    }

    /// The stream, for another protocol.
    pub(super) fn into_stream(self) -> Sender {
        self.outflow.into_stream()
    }

    /// Sends as much as goes. Ready when there is no more to do.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.is_done {
            return Poll::Ready(Ok(()));
        }
        if self.waits && self.deadline.poll(CONTINUE_TIMEOUT, context).is_pending() {
            return Poll::Pending;
        }
        self.waits = false;
        // Whoever waits for the response has the clock.
        let flowed = std::task::ready!(self.outflow.poll(None, context));
        self.is_done = true;
        match flowed {
            Err(Broken::Body(error)) => {
                self.outflow.reset(Reason::CANCEL);
                Poll::Ready(Err(SendError::RequestBody(error)))
            }
            // What the target has to say about it comes as the response.
            Ok(()) | Err(Broken::Peer(_) | Broken::Stalled) => Poll::Ready(Ok(())),
        }
    }
}

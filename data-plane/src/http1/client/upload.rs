//! A request on its way out.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body::Body as _;

use super::{
    super::{
        deadline::Deadline,
        encode::{self, Framing},
    },
    connection::Upstream,
};
use crate::{
    body::{Body, BodyError},
    connect::SendError,
};

/// How long a target may leave `Expect: 100-continue` unanswered before the body is sent all the same
/// (RFC 9110, 10.1.1).
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The head is in the connection's outbox; the body follows.
#[derive(Debug)]
pub(super) struct Upload {
    body: Body,
    framing: Framing,
    state: Sending,
    waits: bool,
    deadline: Deadline,
    sent: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Sending {
    Body,
    /// Everything is in the outbox.
    Last,
    Done,
    /// The target takes no more; what it answers still counts.
    Cut,
}

impl Upload {
    pub(super) fn new(body: Body, framing: Framing, waits: bool) -> Self {
        let empty = matches!(framing, Framing::None | Framing::Length(0));
        Self {
            body,
            framing,
            state: if empty { Sending::Last } else { Sending::Body },
            waits: waits && !empty,
            deadline: Deadline::default(),
            sent: 0,
        }
    }

    /// Whether the request was sent whole.
    pub(super) fn is_done(&self) -> bool {
        self.state == Sending::Done
    }

    /// Whether all that has come of the body was sent, and more is to come: silence is then not the target's.
    pub(super) fn waits_for_client(&self, upstream: &Upstream) -> bool {
        self.state == Sending::Body && !self.waits && upstream.outbox.is_empty()
    }

    /// Whether the target has not said yet that it wants the body.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waits
    }

    /// The target wants the body.
    pub(super) const fn go_on(&mut self) {
        self.waits = false;
    }

    /// Sends as much as goes. Ready when there is no more to do, and whether bytes moved in this call.
    pub(super) fn poll(
        &mut self,
        upstream: &mut Upstream,
        context: &mut Context<'_>,
    ) -> Poll<Result<bool, SendError>> {
        if matches!(self.state, Sending::Done | Sending::Cut) {
            return Poll::Ready(Ok(false));
        }
        let mut moved = false;
        loop {
            while self.state == Sending::Body
                && !self.is_held(context)
                && upstream.outbox.has_room()
            {
                match Pin::new(&mut self.body).poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => self.push(upstream, frame)?,
                    Poll::Ready(Some(Err(error))) => {
                        return Poll::Ready(Err(SendError::RequestBody(error)));
                    }
                    Poll::Ready(None) => self.finish(upstream, None)?,
                    Poll::Pending => break,
                }
            }
            let waiting = upstream.outbox.len();
            if upstream.outbox.is_empty() {
                if self.state == Sending::Last {
                    self.state = Sending::Done;
                    return Poll::Ready(Ok(moved));
                }
                return if moved {
                    Poll::Ready(Ok(true))
                } else {
                    Poll::Pending
                };
            }
            match upstream.outbox.poll_send(&mut upstream.io, context) {
                Poll::Ready(Ok(())) => moved = true,
                Poll::Ready(Err(_)) => {
                    self.state = Sending::Cut;
                    return Poll::Ready(Ok(moved));
                }
                Poll::Pending => {
                    let some = moved || upstream.outbox.len() < waiting;
                    return if some {
                        Poll::Ready(Ok(true))
                    } else {
                        Poll::Pending
                    };
                }
            }
        }
    }

    fn is_held(&mut self, context: &mut Context<'_>) -> bool {
        if self.waits && self.deadline.poll(CONTINUE_TIMEOUT, context).is_ready() {
            self.waits = false;
        }
        self.waits
    }

    fn push(
        &mut self,
        upstream: &mut Upstream,
        frame: http_body::Frame<bytes::Bytes>,
    ) -> Result<(), SendError> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.sent += data.len() as u64;
                // One byte more than announced would be the beginning of another request.
                if matches!(self.framing, Framing::Length(length) if self.sent > length) {
                    return Err(SendError::RequestBody(BodyError::Malformed(
                        "more bytes than announced",
                    )));
                }
                if self.framing == Framing::Chunked {
                    encode::chunk_head(upstream.outbox.front(), data.len());
                    upstream.outbox.push(data, b"\r\n");
                } else {
                    upstream.outbox.push(data, b"");
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers()
                    && self.framing == Framing::Chunked
                {
                    encode::last_chunk(upstream.outbox.front(), Some(&trailers));
                    self.state = Sending::Last;
                }
            }
        }
        Ok(())
    }

    fn finish(
        &mut self,
        upstream: &mut Upstream,
        trailers: Option<&http::HeaderMap>,
    ) -> Result<(), SendError> {
        match self.framing {
            Framing::Chunked => encode::last_chunk(upstream.outbox.front(), trailers),
            Framing::Length(length) if length != self.sent => {
                return Err(SendError::RequestBody(BodyError::Closed));
            }
            _ => {}
        }
        self.state = Sending::Last;
        Ok(())
    }
}

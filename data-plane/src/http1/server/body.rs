//! The body of a request, as it arrives.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::AsyncRead;

use super::{
    super::decoder::{Decoded, hint},
    state::{State, lock},
};
use crate::body::BodyError;

/// Reads from the connection that it came on, by its framing.
pub(super) struct RequestBody<Io> {
    state: Arc<Mutex<State<Io>>>,
    number: u64,
    timeout: Duration,
}

impl<Io> RequestBody<Io> {
    pub(super) const fn new(state: Arc<Mutex<State<Io>>>, number: u64, timeout: Duration) -> Self {
        Self {
            state,
            number,
            timeout,
        }
    }
}

impl<Io: AsyncRead + Unpin> RequestBody<Io> {
    fn poll_state(
        &self,
        state: &mut State<Io>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // The task that serves the connection says so; it is the one that polls here.
        state.wanted = state.expects;
        loop {
            match state.decoder.decode(&mut state.input) {
                Ok(Decoded::Data(data)) => {
                    state.deadline.stop();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Decoded::Trailers(trailers)) => {
                    state.deadline.stop();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Decoded::End) => {
                    state.deadline.stop();
                    return Poll::Ready(None);
                }
                Ok(Decoded::More) => {}
                Err(what) => return Poll::Ready(Some(Err(BodyError::Malformed(what)))),
            }
            match state.poll_fill(context) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(BodyError::Closed))),
                Poll::Ready(Ok(_)) => state.deadline.stop(),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Pending => {
                    let late = state.deadline.poll(self.timeout, context);
                    return late.map(|()| Some(Err(BodyError::Timeout)));
                }
            }
        }
    }
}

impl<Io: AsyncRead + Unpin> http_body::Body for RequestBody<Io> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let state = &mut *lock(&self.state);
        if state.bodies != self.number {
            return Poll::Ready(Some(Err(BodyError::Closed)));
        }
        let polled = self.poll_state(state, context);
        state.broken |= matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.state).decoder.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        hint(lock(&self.state).decoder.size_hint())
    }
}

//! A response's body that must have ended by a certain time.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::limit::Limit;
use crate::{
    body::{Body, BodyError},
    http1::deadline::Deadline,
};

pub(super) struct Timed {
    stream: Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>,
    limit: Limit,
    deadline: Deadline,
}

impl Timed {
    /// Within this limit. What has come whole already needs no clock.
    pub(super) fn wrap(body: Body, limit: Limit) -> Body {
        match body {
            Body::Stream(stream) if !limit.is_none() => Body::Stream(Box::pin(Self {
                stream,
                limit,
                deadline: Deadline::default(),
            })),
            other => other,
        }
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // What is there goes first: a client that is slow to take it is dealt with by its own clock.
        if let Poll::Ready(frame) = this.stream.as_mut().poll_frame(context) {
            return Poll::Ready(frame);
        }
        match this.limit.at() {
            Some(at) => {
                let late = this.deadline.poll_at(at.into(), context);
                late.map(|()| Some(Err(BodyError::Timeout)))
            }
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}

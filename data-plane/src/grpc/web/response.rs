//! The body of an answer, with its trailers at the end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Frame;

use super::{Form, trailers, written};
use crate::body::{Body, BodyError};

pub(super) fn encoded(body: Body, form: Form) -> Body {
    Body::Stream(Box::pin(Encoded {
        body,
        form,
        ended: false,
    }))
}

/// Passes on what comes as it comes.
struct Encoded {
    body: Body,
    form: Form,
    /// Whether the trailers went.
    ended: bool,
}

impl http_body::Body for Encoded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let data = match frame?.into_data() {
            Ok(data) => written(self.form, data),
            Err(frame) => {
                self.ended = true;
                let last = frame.into_trailers().unwrap_or_default();
                trailers(self.form, &last)
            }
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

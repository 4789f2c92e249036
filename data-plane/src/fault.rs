//! Faults on purpose: a request waits, is answered with an error, or gets its answer slowly.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use gatewright_engine::{Code, plugin::Injection};
use http::Response;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::{
    body::{Body, BodyError},
    http1::deadline::Deadline,
    proxy::Outcome,
    telemetry::Record,
};

/// How often a second a piece of a slow body is sent.
const PIECES_PER_SECOND: u32 = 20;

/// What a request has met.
pub(crate) enum Met {
    /// This is the answer.
    Abort(Outcome),
    /// The service is asked, and its answer comes like this.
    Goes(Box<Injection>),
}

/// Waits as long as a fault says, and answers if it says so.
pub(crate) async fn meet(mut fault: Box<Injection>, record: &mut Record) -> Met {
    if let Some(delay) = fault.delay {
        tokio::time::sleep(delay).await;
    }
    let Some(response) = fault.abort.take() else {
        return Met::Goes(fault);
    };
    if let Some(facts) = record.facts() {
        facts.code = Some(Code::FaultInjected);
    }
    Met::Abort((Box::new(response.map(Body::Full)), None))
}

/// Slows the answer's body, where the fault says so.
pub(crate) fn slow(
    fault: Box<Injection>,
    mut response: Box<Response<Body>>,
) -> Box<Response<Body>> {
    if let Some(kib_per_second) = fault.pace {
        let body = std::mem::take(response.body_mut());
        *response.body_mut() = Paced::wrap(body, kib_per_second, Some(fault));
    }
    response
}

/// A body that comes at a pace.
struct Paced {
    body: Body,
    /// What has come and may not go yet.
    rest: Bytes,
    piece_bytes: usize,
    bytes_per_second: u64,
    next: Instant,
    deadline: Deadline,
    /// It lasts as long as the body.
    _fault: Option<Box<Injection>>,
}

impl Paced {
    fn wrap(body: Body, kib_per_second: u32, fault: Option<Box<Injection>>) -> Body {
        let bytes_per_second = u64::from(kib_per_second) * 1024;
        let piece = bytes_per_second / u64::from(PIECES_PER_SECOND);
        Body::Stream(Box::pin(Self {
            body,
            rest: Bytes::new(),
            piece_bytes: usize::try_from(piece).unwrap_or(usize::MAX),
            bytes_per_second,
            next: Instant::now(),
            deadline: Deadline::default(),
            _fault: fault,
        }))
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        ready!(this.deadline.poll_at(this.next, context));
        let length = this.rest.len().min(this.piece_bytes);
        let piece = this.rest.split_to(length);
        let micros = length as u64 * 1_000_000 / this.bytes_per_second;
        this.next = this.next.max(Instant::now()) + Duration::from_micros(micros);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        let more = self.rest.len() as u64;
        let exact = hint.exact().map(|left| SizeHint::with_exact(left + more));
        exact.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_comes_whole_and_no_faster_than_its_pace() {
        let bytes = Bytes::from(vec![7; 1024]);
        let body = Paced::wrap(Body::Full(bytes.clone()), 4, None);
        assert_eq!(body.size_hint().exact(), Some(1024));
        let began = Instant::now();
        assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
        // The first of 50 ms' worth goes at once.
        assert!(began.elapsed() >= Duration::from_millis(200));
    }
}

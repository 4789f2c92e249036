//! Holds a body back where a route asks of what is in it, and passes it on as it came.
//!
//! Only requests that reach such a route come here. All that is held is bounded, in bytes and in time.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use gatewright_engine::{Code, Matched, NeedsBody, Payload, Rejection, Snapshot};
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::{missed, read::Head};
use crate::body::{Body, BodyError};

/// Reads the body and matches once more. The request has the body again, to be forwarded.
pub(super) async fn find<'s>(
    snapshot: &'s Snapshot,
    head: &mut Head<'_>,
    bounds: NeedsBody,
) -> Result<Matched<'s>, Rejection> {
    let request = &mut head.incoming.request;
    let body = std::mem::take(request.body_mut());
    let within = Duration::from_millis(u64::from(bounds.timeout_ms));
    let held = timeout(within, hold(request.headers(), body, bounds.max_bytes));
    let (bytes, trailers) = held.await.unwrap_or_else(|_| {
        let detail = "the body did not arrive in time";
        Err(Rejection::new(Code::RequestTimeout, detail))
    })?;
    // The client has been told to go on, and has.
    request.headers_mut().remove(header::EXPECT);
    let found = snapshot.find(&head.query(Payload::Whole(&bytes)));
    let found = found.map_err(missed)?;
    *head.incoming.request.body_mut() = match trailers {
        None => Body::Full(bytes),
        Some(trailers) => Body::Stream(Box::pin(Held {
            bytes: Some(bytes),
            trailers: Some(trailers),
        })),
    };
    Ok(found)
}

async fn hold(
    headers: &HeaderMap,
    mut body: Body,
    max_bytes: u32,
) -> Result<(Bytes, Option<HeaderMap>), Rejection> {
    let most = max_bytes as usize;
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > u64::from(max_bytes)) {
        return Err(too_large(max_bytes));
    }
    // Into one buffer: pieces kept apart could each hold on to what they were read into.
    let mut held = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| broken(&error))?.into_data() {
            Ok(data) if held.len() + data.len() > most => return Err(too_large(max_bytes)),
            Ok(data) => held.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((held.freeze(), trailers))
}

pub(super) fn too_large(max_bytes: u32) -> Rejection {
    let detail =
        format!("the body is over {max_bytes} bytes, which a route holds back to match it");
    Rejection::new(Code::BodyTooLarge, detail)
}

pub(super) fn broken(error: &BodyError) -> Rejection {
    match error {
        BodyError::Timeout => {
            Rejection::new(Code::RequestTimeout, "the body did not arrive in time")
        }
        BodyError::TooLarge(most) => {
            Rejection::new(Code::BodyTooLarge, format!("the body is over {most} bytes"))
        }
        _ => Rejection::new(Code::BadRequest, "the body is broken"),
    }
}

/// A body that was held back and has trailers. Its length is not announced, since then they would be lost.
pub(super) struct Held {
    pub(super) bytes: Option<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let bytes = self.bytes.take().filter(|bytes| !bytes.is_empty());
        let frame = bytes
            .map(Frame::data)
            .or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}

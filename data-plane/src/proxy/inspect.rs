//! Bounds and holds back a body as plugins asked, shows it to them, and passes it on as it came.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use gatewright_engine::{
    RequestContext,
    plugin::{Answer, Ran, Seen, admit_body},
};
use http::{HeaderMap, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::payload::{Held, broken};
use crate::body::{Body, BodyError, Metered};

/// What has been read so far, kept although time is up.
#[derive(Default)]
struct Reading {
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
}

/// What plugins say of the body. The request has it again.
pub(super) async fn inspect(
    context: &mut RequestContext,
    ran: &Ran,
    body: &mut Body,
) -> Option<Answer> {
    if !context.has_body {
        return admit_body(ran, context, Seen::Whole(b"")).await;
    }
    if let Some(most) = ran.most()
        && let Err(error) = bound(body, most)
    {
        return Some(Answer::Reject(broken(&error)));
    }
    let (most, within) = ran.holds()?;
    if let Body::Full(bytes) = body {
        let bytes = bytes.clone();
        return admit_body(ran, context, Seen::Whole(&bytes)).await;
    }
    let mut reading = Reading::default();
    let ended = match timeout(
        within,
        read(body, &mut reading, (most, ran.wants_beginning())),
    )
    .await
    {
        Ok(Ok(ended)) => Some(ended),
        Ok(Err(error)) => return Some(Answer::Reject(broken(&error))),
        Err(_) => None,
    };
    // The client has been told to go on, and has.
    context.headers.remove(header::EXPECT);
    let bytes = reading.bytes.freeze();
    let seen = match ended {
        Some(true) => Seen::Whole(&bytes),
        Some(false) => Seen::TooLong(&bytes),
        None => Seen::Late,
    };
    let answer = admit_body(ran, context, seen).await;
    *body = match (ended, reading.trailers) {
        (Some(true), None) => Body::Full(bytes),
        (Some(true), trailers) => Body::Stream(Box::pin(Held {
            bytes: Some(bytes),
            trailers,
        })),
        _ => Body::Stream(Box::pin(Begun {
            bytes: Some(bytes),
            rest: std::mem::take(body),
        })),
    };
    answer
}

/// Bounds a body. The codec sees to it that no more comes than was announced.
fn bound(body: &mut Body, most: u64) -> Result<(), BodyError> {
    match body.size_hint().exact() {
        Some(length) if length > most => return Err(BodyError::TooLarge(most)),
        Some(_) => {}
        None => {
            let metered = Metered::new(std::mem::take(body), most, Arc::default());
            *body = Body::Stream(Box::pin(metered));
        }
    }
    Ok(())
}

/// Reads until the end, or until it is over the bound by less than a frame; nothing where it is known to be over it, unless
/// the `beginning` is wanted. Whether it ended.
async fn read(
    body: &mut Body,
    into: &mut Reading,
    (most, beginning): (usize, bool),
) -> Result<bool, BodyError> {
    if !beginning && body.size_hint().lower() > most as u64 {
        return Ok(false);
    }
    // Into one buffer: pieces kept apart could each hold on to what they were read into.
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => into.bytes.extend_from_slice(&data),
            Err(frame) => into.trailers = frame.into_trailers().ok(),
        }
        if into.bytes.len() > most {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A body of which the beginning has been read: for plugins that are tried out, or want no more.
struct Begun {
    bytes: Option<Bytes>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::new()
    }
}

//! The upstream side of the gateway: connections that requests are sent on, and the idle ones.

mod body;
mod connection;
mod exchange;
mod head;
mod shelf;
mod upload;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use tokio::time::Instant;

use super::decoder::{Decoded, Decoder};
use crate::{
    body::{Body, BodyError},
    connect::{self, Origin, Retire, SendError},
    exchange::{Interim, Tunnel},
    guard::gate::Placed,
};
use body::ResponseBody;
use connection::Upstream;
use exchange::{Wait, begin, exchange};
use head::Head;
use shelf::Shelf;
use upload::Upload;

/// Connections of one worker. Idle ones are kept by origin.
#[derive(Debug, Default)]
pub struct Pool {
    shelf: Arc<Shelf>,
}

/// What a target answered.
#[derive(Debug)]
pub struct Received {
    /// Head and body; the connection goes back to the pool by itself when the body has ended.
    pub response: Box<Response<Body>>,
    /// Where the target switched protocols (101, or 2xx to extended CONNECT).
    pub tunnel: Option<Box<dyn Tunnel>>,
}

/// How a request is sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Path and query in the URI; Host set; no hop-by-hop fields.
    pub request: Request<Body>,
    /// Protocol to ask for, in lower case.
    pub upgrade: Option<Box<str>>,
    /// Where 1xx answers go.
    pub interim: Interim,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Longest time without a byte, of the response and while sending; none is forever.
    pub idle_timeout: Option<Duration>,
    /// When the caller gives up waiting for the response head by itself; none is never.
    pub given_up_after: Option<Duration>,
    /// When sending began. Reading a clock is not free, so one reading serves all who need no better one.
    pub began: Instant,
}

impl Pool {
    /// Itself, to be told whose connections to keep.
    pub(crate) fn retire(&self) -> Weak<dyn Retire> {
        let shelf: Weak<Shelf> = Arc::downgrade(&self.shelf);
        shelf
    }

    /// Sends a request and returns at the response head. The body goes on being sent while the
    /// response is read.
    ///
    /// Where it fails before the target can have seen the request (`Connect`, `ConnectTimeout`,
    /// `Refused`, `Closed` of a reused connection), the head in `outgoing` is as it was, so that it
    /// can be sent to another target; the body may be taken, the caller can make it again.
    ///
    /// # Errors
    /// No response head came.
    pub async fn send(
        &self,
        origin: &Origin,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        let (mut upstream, reused) = match self.shelf.take(origin, outgoing.began) {
            Some(idle) => (idle, true),
            None => {
                let opened = self.open(origin, outgoing.connect_timeout).await?;
                outgoing.began = Instant::now();
                opened
            }
        };
        let mut upload = begin(&mut upstream, outgoing);
        let bodiless = *outgoing.request.method() == Method::HEAD;
        let wait = Wait {
            bodiless,
            interim: &outgoing.interim,
            // Where the caller's own clock runs out first, a second one would never be heard.
            idle_timeout: outgoing
                .idle_timeout
                .filter(|idle| outgoing.given_up_after.is_none_or(|after| *idle < after)),
            began: outgoing.began,
        };
        let head =
            exchange(&mut upstream, &mut upload, &wait)
                .await
                .map_err(|error| match error {
                    SendError::Closed { .. } => SendError::Closed {
                        reused: reused && upstream.input.is_empty(),
                    },
                    other => other,
                })?;
        let switches = head.response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if switches && (outgoing.upgrade.is_none() || !upload.is_done()) {
            return Err(SendError::Malformed("101 that was not asked for"));
        }
        Ok(self.received(head, upstream, upload, (origin, outgoing)))
    }

    /// A new connection, or where there may not be another one, whichever is free first. Says whether it was idle.
    async fn open(
        &self,
        origin: &Origin,
        timeout: Duration,
    ) -> Result<(Box<Upstream>, bool), SendError> {
        let Some(gate) = &origin.link.gate else {
            let io = connect::open(origin, timeout).await?;
            return Ok((Box::new(Upstream::new(io, None)), false));
        };
        gate.register(&self.shelf);
        let idle = || self.shelf.take(origin, Instant::now());
        match gate.place(origin.address, timeout, idle).await? {
            Placed::Idle(upstream) => Ok((upstream, true)),
            Placed::New(place) => {
                let io = connect::open(origin, timeout).await?;
                Ok((Box::new(Upstream::new(io, Some(place))), false))
            }
        }
    }

    fn received(
        &self,
        head: Head,
        mut upstream: Box<Upstream>,
        upload: Upload,
        (origin, outgoing): (&Origin, &Outgoing),
    ) -> Received {
        if head.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Received {
                response: head.response,
                tunnel: Some(upstream),
            };
        }
        let keep = head.keep && upload.is_done();
        let mut decoder = head.decoder;
        // Most answers come whole with their head: they need no stream, and the connection is free.
        let first = match arrived(&mut decoder, &mut upstream) {
            Arrived::Whole(whole) => {
                if keep && upstream.input.is_empty() {
                    self.shelf.put(origin, upstream, outgoing.began);
                }
                let mut response = head.response;
                *response.body_mut() = whole;
                return Received {
                    response,
                    tunnel: None,
                };
            }
            Arrived::Part(first) => first,
        };
        if let Some(length) = decoder.size_hint() {
            upstream.pace.expect(length);
        }
        // A target that has answered instead of asking for the body must not get it any more.
        let needless = upload.is_waiting();
        let body = ResponseBody {
            upstream: Some(upstream),
            decoder,
            first,
            upload: (!upload.is_done() && !needless).then_some(upload),
            keep: head.keep && !needless,
            home: (Arc::clone(&self.shelf), origin.clone()),
            idle_timeout: outgoing.idle_timeout,
        };
        let mut response = head.response;
        *response.body_mut() = Body::Stream(Box::pin(body));
        Received {
            response,
            tunnel: None,
        }
    }
}

/// What of a body came with its head.
enum Arrived {
    Whole(Body),
    Part(Option<Result<Frame<Bytes>, BodyError>>),
}

fn arrived(decoder: &mut Decoder, upstream: &mut Upstream) -> Arrived {
    let whole = match decoder {
        Decoder::End => return Arrived::Whole(Body::Empty),
        Decoder::Length(length) => *length <= upstream.input.len() as u64,
        Decoder::Chunked(_) => upstream.input.ends_with(b"0\r\n\r\n"),
        Decoder::UntilClose => false,
    };
    if !whole {
        return Arrived::Part(None);
    }
    match decoder.decode(&mut upstream.input) {
        Ok(Decoded::Data(data)) if decoder.is_end() => Arrived::Whole(Body::Full(data)),
        Ok(Decoded::End) => Arrived::Whole(Body::Empty),
        Ok(Decoded::Data(data)) => Arrived::Part(Some(Ok(Frame::data(data)))),
        Ok(Decoded::Trailers(trailers)) => Arrived::Part(Some(Ok(Frame::trailers(trailers)))),
        Ok(Decoded::More) => Arrived::Part(None),
        Err(what) => Arrived::Part(Some(Err(BodyError::Malformed(what)))),
    }
}

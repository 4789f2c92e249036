//! Sending a request, and waiting for the head of its response.

use std::{future::poll_fn, task::Poll, time::Duration};

use http::{Method, header};
use http_body::Body as _;
use tokio::time::Instant;

use super::{
    super::{
        encode::{self, Framing},
        fields::has_word,
    },
    Outgoing,
    connection::Upstream,
    head::{self, Head},
    upload::Upload,
};
use crate::{
    body::BodyError,
    connect::{SendError, refused_by_target},
    exchange::Interim,
};

/// Writes the head into the connection's buffer.
pub(super) fn begin(upstream: &mut Upstream, outgoing: &mut Outgoing) -> Upload {
    let body = std::mem::take(outgoing.request.body_mut());
    let request = &outgoing.request;
    let framing = match body.size_hint().exact() {
        Some(0) if body.is_end_stream() => match *request.method() {
            // RFC 9110, 8.6: say so where a body would be expected.
            Method::POST | Method::PUT | Method::PATCH => Framing::Length(0),
            _ => Framing::None,
        },
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    };
    let waits = !matches!(framing, Framing::None | Framing::Length(0))
        && has_word(request.headers(), &header::EXPECT, "100-continue");
    let line = (request.method(), request.uri());
    let front = upstream.outbox.front();
    front.clear();
    encode::request(
        front,
        line,
        request.headers(),
        framing,
        outgoing.upgrade.as_deref(),
    );
    Upload::new(body, framing, waits)
}

/// How a response head is waited for.
pub(super) struct Wait<'a> {
    pub(super) bodiless: bool,
    pub(super) interim: &'a Interim,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) began: Instant,
}

/// Sends and reads until there is a response head. Interim responses are passed on.
pub(super) async fn exchange(
    upstream: &mut Upstream,
    upload: &mut Upload,
    wait: &Wait<'_>,
) -> Result<Head, SendError> {
    upstream.deadline.stop();
    if let Some(patience) = wait.idle_timeout {
        upstream.deadline.start_at(wait.began, patience);
    }
    poll_fn(|context| {
        let mut progress = false;
        match upload.poll(upstream, context) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(moved)) => progress |= moved,
            Poll::Pending => {}
        }
        loop {
            match head::parse(upstream, wait.bodiless)? {
                Some(head) if head.is_interim() => {
                    upload.go_on();
                    wait.interim
                        .send(head.response.status(), head.interim_fields());
                    if let Poll::Ready(Err(error)) = upload.poll(upstream, context) {
                        return Poll::Ready(Err(error));
                    }
                    continue;
                }
                Some(head) => return Poll::Ready(Ok(head)),
                None => {}
            }
            match upstream.poll_fill(context) {
                Poll::Ready(Err(error)) if refused_by_target(&error) => {
                    return Poll::Ready(Err(SendError::Connect(error)));
                }
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Err(SendError::Closed { reused: false }));
                }
                Poll::Ready(Ok(_)) => progress = true,
                Poll::Pending => break,
            }
        }
        if progress {
            upstream.deadline.stop();
        }
        match wait.idle_timeout {
            Some(patience) if upstream.deadline.poll(patience, context).is_ready() => {
                Poll::Ready(Err(match upload.waits_for_client(upstream) {
                    true => SendError::RequestBody(BodyError::Timeout),
                    false => SendError::IdleTimeout,
                }))
            }
            _ => Poll::Pending,
        }
    })
    .await
}

//! The response for the client.

use gatewright_engine::Rejection;
use gatewright_proto::v1::Protocol as Spoken;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};

use super::{limit::Limit, timed::Timed};
use crate::{
    body::Body,
    http1::client::Received,
    proxy::{Outcome, add_via, strip_response},
    websocket::Handshake,
};

/// Whether the answer is a stream of events: it has no end to be in time for. Its silence is bounded, and what its client or
/// `max_stream_duration_ms` says.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim_end().eq_ignore_ascii_case("text/event-stream")
}

/// Gives the body of a response what is left of the time of its request. A stream of events has no end to wait for.
pub(super) fn bound(response: &mut Response<Body>, mut limit: Limit) {
    if is_event_stream(response.headers()) {
        limit.time = None;
    }
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = Timed::wrap(body, limit);
}

/// The response for the client.
pub(super) fn answered(
    received: Received,
    handshake: &Handshake,
    spoken: Spoken,
) -> Result<Outcome, Rejection> {
    let mut response = received.response;
    if *handshake == Handshake::None && received.tunnel.is_none() {
        handshake.refused(response.status())?;
    } else {
        let (mut parts, body) = std::mem::take(&mut *response).into_parts();
        handshake.finish(&mut parts, received.tunnel.is_some())?;
        *response = Response::from_parts(parts, body);
    }
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    let upgrade = switched.then(|| headers.get(header::UPGRADE).cloned());
    strip_response(headers);
    if let Some(upgrade) = upgrade.flatten() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, upgrade);
    }
    add_via(
        headers,
        match spoken {
            Spoken::Http1 => Version::HTTP_11,
            Spoken::Http2 => Version::HTTP_2,
        },
    );
    Ok((response, received.tunnel))
}

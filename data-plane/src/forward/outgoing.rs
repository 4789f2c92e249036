//! The request for the upstream, from what plugins have left of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewright_engine::{Code, Rejection, RequestContext, Service};
use http::{Request, Uri, uri::PathAndQuery};

use super::Forward;
use crate::{body::Body, http1::client::Outgoing, proxy::Matching, websocket::Handshake};

/// Makes it, says how it switches protocols, and where what is left of the body goes if nothing came of it. The
/// fields move, they are not copied.
pub(super) fn outgoing<'a>(
    context: &mut RequestContext,
    forward: Forward<'a>,
    (began, given_up_after): (Instant, Option<Duration>),
) -> Result<(Outgoing, Handshake, &'a mut Body), Rejection> {
    let service = forward.service;
    let upgrade = forward.upgrade.as_deref();
    let headers = &mut context.headers;
    let handshake = Handshake::begin(
        upgrade,
        forward.connection.protocol,
        service.protocol,
        headers,
    )?;
    let target = target(context, &forward.matched, service, forward.target)?;
    let mut request = Request::new(std::mem::take(forward.body));
    *request.method_mut() = context.method.clone();
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = std::mem::take(&mut context.headers);
    let milliseconds = |ms: u32| Duration::from_millis(u64::from(ms));
    let overrides = context.route.overrides.as_deref();
    let of_route = overrides.and_then(|it| it.idle_timeout_ms);
    let idle = of_route.unwrap_or(service.idle_timeout_ms);
    let outgoing = Outgoing {
        request,
        upgrade: forward.upgrade,
        interim: forward.interim,
        connect_timeout: milliseconds(service.connect_timeout_ms),
        idle_timeout: (idle > 0).then(|| milliseconds(idle)),
        given_up_after,
        began: began.into(),
    };
    Ok((outgoing, handshake, forward.body))
}

/// Path and query to ask for: as the client wrote them where nothing changes them.
fn target(
    context: &RequestContext,
    matched: &Matching,
    service: &Service,
    written: Option<PathAndQuery>,
) -> Result<PathAndQuery, Rejection> {
    let route = &context.route;
    let rendered = route
        .rewrite
        .as_ref()
        .map(|rewrite| rewrite.render(&context.path, &matched.parameters));
    let stripped = if route.strip_prefix {
        matched.prefix_bytes
    } else {
        0
    };
    let path = match &rendered {
        Some(path) => path,
        None => context.path.get(stripped..).unwrap_or_default(),
    };
    let query = context.query.as_deref();
    if let Some(written) = written
        && service.base_path.is_empty()
        && path == written.path()
        && query == written.query()
    {
        return Ok(written);
    }
    let length = service.base_path.len() + path.len() + query.map_or(0, str::len) + 2;
    let mut text = String::with_capacity(length);
    text.push_str(&service.base_path);
    if !path.starts_with('/') {
        text.push('/');
    }
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(Bytes::from(text))
        .map_err(|_| Rejection::new(Code::BadRequest, "the path cannot be forwarded"))
}

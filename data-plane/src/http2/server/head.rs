//! The head of a request, read strictly (RFC 9113, 8).
//!
//! `h2` has refused by then, with a reset of the stream, what misuses pseudo-header fields, names in upper
//! case, fields that belong to a connection, a `TE` other than `trailers` and lengths that are wrong.

use std::sync::Arc;

use gatewright_engine::{Code, Rejection};
use h2::{RecvStream, ext};
use http::{HeaderMap, HeaderValue, Method, Request, header, request::Parts};

use super::{
    super::{inflow::Inflow, length},
    body::RequestBody,
};
use crate::{
    body::Body,
    exchange::{Incoming, Interim, InterimQueue},
    http1::deadline::Deadline,
    proxy::Limits,
};

/// A request, and the stream of one that wants it for another protocol.
pub(super) struct Read {
    pub(super) incoming: Box<Incoming>,
    pub(super) tunnel: Option<RecvStream>,
}

/// Reads a request.
///
/// # Errors
/// What is malformed, ambiguous, over a limit or not implemented.
pub(super) fn read(
    request: Request<RecvStream>,
    limits: &Limits,
    interim: &Arc<InterimQueue>,
) -> Result<Read, Rejection> {
    let (mut parts, stream) = request.into_parts();
    if parts.headers.len() > limits.header_count {
        let detail = format!("more than {} header fields", limits.header_count);
        return Err(Rejection::new(Code::HeadersTooLarge, detail));
    }
    check_values(&parts.headers)?;
    check_target(&parts)?;
    settle_host(&mut parts)?;
    join_cookies(&mut parts.headers)?;
    let awaited = expects(&parts.headers)?.then(|| Arc::clone(interim));
    let upgrade = upgrade(&mut parts)?;
    let interim = Interim::queue(Arc::clone(interim));
    let (body, tunnel) = if upgrade.is_some() {
        (Body::Empty, Some(stream))
    } else if stream.is_end_stream() {
        (Body::Empty, None)
    } else {
        let body = RequestBody {
            inflow: Inflow::new(stream, length::announced(&parts.headers)),
            timeout: limits.body_timeout,
            deadline: Deadline::default(),
            awaited,
        };
        (Body::Stream(Box::pin(body)), None)
    };
    let incoming = Box::new(Incoming {
        request: Request::from_parts(parts, body),
        upgrade,
        interim,
    });
    Ok(Read { incoming, tunnel })
}

/// RFC 9113, 8.2.1: a value neither begins nor ends with white space.
fn check_values(headers: &HeaderMap) -> Result<(), Rejection> {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    for value in headers.values() {
        let bytes = value.as_bytes();
        if blank(bytes.first()) || blank(bytes.last()) {
            return Err(bad("white space around a field value"));
        }
    }
    Ok(())
}

fn check_target(parts: &Parts) -> Result<(), Rejection> {
    if parts.method == Method::CONNECT && parts.extensions.get::<ext::Protocol>().is_none() {
        let detail = "CONNECT is not implemented";
        return Err(Rejection::new(Code::NotImplemented, detail));
    }
    let target = parts.uri.path_and_query().map_or("", |it| it.as_str());
    if target == "*" && parts.method != Method::OPTIONS {
        return Err(bad("the target `*` is for OPTIONS"));
    }
    if target != "*" && !target.starts_with('/') {
        return Err(bad("malformed target"));
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("a character in the target that must be escaped"));
    }
    match parts.uri.scheme_str() {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err(bad("a target with a scheme other than http and https")),
    }
}

/// Leaves exactly one Host, which says what `:authority` says (RFC 9113, 8.3.1).
fn settle_host(parts: &mut Parts) -> Result<(), Rejection> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return Err(bad("several Host"));
    }
    let Some(authority) = parts.uri.authority() else {
        return match host {
            None => Err(bad("neither `:authority` nor Host")),
            Some(host) if host.is_empty() => Err(bad("an empty Host")),
            Some(_) => Ok(()),
        };
    };
    let authority = authority.as_str();
    if authority.contains('@') {
        return Err(bad("user information in `:authority`"));
    }
    match host {
        Some(host) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            Err(bad("Host differs from `:authority`"))
        }
        Some(_) => Ok(()),
        None => {
            let host = HeaderValue::from_str(authority);
            let host = host.map_err(|_| bad("malformed `:authority`"))?;
            parts.headers.insert(header::HOST, host);
            Ok(())
        }
    }
}

/// RFC 9113, 8.2.3: crumbs are one field for those who do not know better.
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Rejection> {
    let crumbs = headers.get_all(header::COOKIE);
    if crumbs.iter().nth(1).is_none() {
        return Ok(());
    }
    let crumbs: Vec<&[u8]> = crumbs.iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    headers.insert(header::COOKIE, joined.map_err(|_| bad("malformed cookie"))?);
    Ok(())
}

/// RFC 9110, 10.1.1.
fn expects(headers: &HeaderMap) -> Result<bool, Rejection> {
    match headers.get(header::EXPECT) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(bad("an expectation other than `100-continue`")),
    }
}

/// The protocol of an extended CONNECT, which is matched and forwarded as the GET that it is in HTTP/1.1.
fn upgrade(parts: &mut Parts) -> Result<Option<Box<str>>, Rejection> {
    let Some(protocol) = parts.extensions.remove::<ext::Protocol>() else {
        return Ok(None);
    };
    if length::announced(&parts.headers).is_some() {
        return Err(bad("an extended CONNECT with a length"));
    }
    parts.method = Method::GET;
    Ok(Some(protocol.as_str().to_ascii_lowercase().into()))
}

fn bad(what: &'static str) -> Rejection {
    Rejection::new(Code::BadRequest, what)
}

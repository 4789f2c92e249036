//! The stage *read*: what the request says, in the one form that everything after it uses.

use std::sync::Arc;

use gatewright_engine::{
    Client, Code, Rejection, RequestContext, Route, Snapshot,
    path::{InvalidPath, normalize},
};
use http::{HeaderMap, HeaderValue, Method, header};
use smallvec::SmallVec;

use super::{Proxy, remove_hop_by_hop, request_id};
use crate::{
    body::{Body, Limited},
    exchange::{Connection, Incoming, Interim, Protocol},
    telemetry::Line,
};

/// A request's head, read.
pub(super) struct Head {
    pub(super) host: Box<str>,
    pub(super) path: String,
    query: Option<String>,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    client: Client,
    rest: Rest,
}

/// What the request path keeps beside the plugins' view of the request.
pub(super) struct Rest {
    /// The protocol to switch to.
    pub(super) upgrade: Option<Box<str>>,
    pub(super) interim: Interim,
    pub(super) protocol: Protocol,
}

impl Proxy {
    /// Reads the head and leaves the body.
    pub(super) fn read(
        &self,
        connection: &Connection,
        incoming: Incoming,
        request_id: &HeaderValue,
    ) -> Result<(Head, Body), Rejection> {
        let (parts, body) = incoming.request.into_parts();
        if parts.method == Method::TRACE {
            return Err(Rejection::new(
                Code::MethodNotAllowed,
                "TRACE is not allowed",
            ));
        }
        let mut headers = parts.headers;
        let host = host(&headers)?;
        let path = if parts.uri.path() == "*" {
            "/"
        } else {
            parts.uri.path()
        };
        let path = normalize(path).map_err(refused)?.into_owned();
        let query = parts.uri.query().map(str::to_owned);
        remove_hop_by_hop(&mut headers)?;
        let client = self.forwarded(connection, &mut headers);
        headers.insert(request_id::NAME, request_id.clone());
        super::forwarded::add_via(&mut headers);
        let head = Head {
            host,
            path,
            query,
            method: parts.method,
            headers,
            client,
            rest: Rest {
                upgrade: incoming.upgrade,
                interim: incoming.interim,
                protocol: connection.protocol,
            },
        };
        Ok((head, body))
    }

    /// The body within the route's bound.
    pub(super) fn bounded(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Body, Rejection> {
        let most = route
            .max_request_body_bytes
            .unwrap_or(self.limits.body_bytes);
        if most == 0 || matches!(body, Body::Empty) {
            return Ok(body);
        }
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        match length {
            Some(length) if length > most => {
                let detail = format!("the body is over {most} bytes");
                Err(Rejection::new(Code::BodyTooLarge, detail))
            }
            Some(_) => Ok(body),
            None => Ok(Body::Stream(Box::pin(Limited::new(body, most)))),
        }
    }
}

impl Head {
    pub(super) fn describe(&self, line: &mut Line, revision: u64) {
        line.client = Some(self.client.address);
        line.method = self.method.clone();
        line.host = self.host.clone();
        line.path.clone_from(&self.path);
        line.revision = revision;
    }

    pub(super) fn into_context(
        self,
        snapshot: &Arc<Snapshot>,
        route: Arc<Route>,
    ) -> (RequestContext, Rest) {
        let context = RequestContext {
            snapshot: Arc::clone(snapshot),
            route,
            client: self.client,
            method: self.method,
            host: self.host,
            path: self.path,
            query: self.query,
            headers: self.headers,
            consumer: None,
            credential: None,
            decisions: SmallVec::new(),
            notes: Default::default(),
        };
        (context, self.rest)
    }
}

/// The host in lower case, without port and trailing dot. The codec has checked that there is one; HTTP/1.0
/// may come without.
fn host(headers: &HeaderMap) -> Result<Box<str>, Rejection> {
    let Some(value) = headers.get(header::HOST) else {
        return Ok("".into());
    };
    let wrong = || Rejection::new(Code::BadRequest, "Host is not valid");
    let text = value.to_str().map_err(|_| wrong())?;
    let end = match text.rfind(':') {
        // Not a colon within the brackets of an IPv6 address.
        Some(colon) if !text[colon..].contains(']') => colon,
        _ => text.len(),
    };
    let (name, port) = text.split_at(end);
    if !port.is_empty() && !port[1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:~%!$&'()*+,;=".contains(&byte);
    if name.len() > 255 || !name.bytes().all(allowed) {
        return Err(wrong());
    }
    Ok(name.to_ascii_lowercase().into())
}

fn refused(InvalidPath(what): InvalidPath) -> Rejection {
    Rejection::new(Code::BadRequest, what)
}

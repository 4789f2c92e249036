//! The stage *read*: what the request says, in the one form that everything after it uses.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::AtomicU64},
};

use gatewright_engine::{
    Client, Code, Payload, Query, Rejection, RequestContext, Route, Snapshot,
    path::{InvalidPath, normalize},
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header, uri::PathAndQuery};
use smallvec::SmallVec;

use super::{Proxy, forwarded::add_via, hop_by_hop::strip_request, request_id};
use crate::{
    body::{Body, Metered},
    exchange::{Connection, Incoming, Interim, Protocol},
    telemetry::{Line, Record, RequestBytes},
};

/// A request's head, read.
pub(super) struct Head<'c> {
    pub(super) host: Box<str>,
    pub(super) path: String,
    query: Option<String>,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// Whether the request is to be answered here, since it has passed enough proxies (RFC 9110, 7.6.2).
    pub(super) ends_here: bool,
    pub(super) client: Client,
    connection: &'c Connection,
    rest: Rest,
}

/// What the request path keeps beside the plugins' view of the request.
#[derive(Clone)]
pub(super) struct Rest {
    /// The protocol to switch to.
    pub(super) upgrade: Option<Box<str>>,
    pub(super) interim: Interim,
    pub(super) protocol: Protocol,
    /// As the client wrote it; none where that was not the normalised form.
    pub(super) target: Option<PathAndQuery>,
}

impl Proxy {
    /// Reads the head and leaves the body.
    pub(super) fn read<'c>(
        &self,
        connection: &'c Connection,
        incoming: Incoming,
        request_id: &HeaderValue,
        record: &mut Record,
    ) -> Result<(Head<'c>, Body), Rejection> {
        let (mut parts, body) = incoming.request.into_parts();
        check_method(&parts.method, incoming.upgrade.is_some())?;
        let headers = &mut parts.headers;
        let host = host(headers, &parts.uri)?;
        self.check_authority(connection, &host)?;
        let (path, as_written) = path(&parts.uri)?;
        strip_request(headers)?;
        let ends_here = parts.method == Method::OPTIONS && !hand_on(headers);
        let client = self.forwarded(connection, headers);
        headers.insert(request_id::NAME, request_id.clone());
        add_via(headers, parts.version);
        self.trace(headers, record);
        let rest = Rest {
            upgrade: incoming.upgrade,
            interim: incoming.interim,
            protocol: connection.protocol,
            target: as_written
                .then(|| parts.uri.path_and_query().cloned())
                .flatten(),
        };
        let head = Head {
            host,
            path,
            query: parts.uri.query().map(str::to_owned),
            method: parts.method,
            headers: parts.headers,
            ends_here,
            client,
            connection,
            rest,
        };
        Ok((head, body))
    }

    /// Over TLS, a client asks for what it was shown a certificate for. A proxy in front chooses the name by
    /// other rules than its clients choose the host.
    fn check_authority(&self, connection: &Connection, host: &str) -> Result<(), Rejection> {
        let Some(tls) = &connection.tls else {
            return Ok(());
        };
        if host.is_empty() || tls.speaks_for(host) || self.trust.believes(connection.peer.ip()) {
            return Ok(());
        }
        let detail = "the certificate of this connection is not for the host of the request";
        Err(Rejection::new(Code::MisdirectedRequest, detail))
    }

    /// The body within the route's bound, counted.
    pub(super) fn bounded(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: Body,
        record: &mut Record,
    ) -> Result<Body, Rejection> {
        if matches!(body, Body::Empty) {
            return Ok(body);
        }
        let most = route
            .max_request_body_bytes
            .unwrap_or(self.limits.body_bytes);
        let most = if most == 0 { u64::MAX } else { most };
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let (bytes, body) = match length {
            Some(length) if length > most => {
                let detail = format!("the body is over {most} bytes");
                return Err(Rejection::new(Code::BodyTooLarge, detail));
            }
            // The codec sees to it that no more comes than was announced.
            Some(length) => (RequestBytes::Announced(length), body),
            None => {
                let bytes = Arc::new(AtomicU64::new(0));
                let metered = Metered::new(body, most, Arc::clone(&bytes));
                let body = Body::Stream(Box::pin(metered));
                (RequestBytes::Counted(bytes), body)
            }
        };
        if let Some(facts) = record.facts() {
            facts.request_bytes = bytes;
        }
        Ok(body)
    }
}

impl Head<'_> {
    /// What can be told of the body before it is read. What follows a CONNECT is none.
    pub(super) fn payload(&self, body: &Body) -> Payload<'static> {
        if matches!(body, Body::Empty) || self.method == Method::CONNECT {
            Payload::None
        } else {
            Payload::Unread
        }
    }

    /// What the request is matched by.
    pub(super) fn query<'q>(&'q self, body: Payload<'q>) -> Query<'q> {
        let tls = self.connection.tls.as_ref();
        Query {
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            method: &self.method,
            headers: &self.headers,
            client: self.client.address,
            peer: self.connection.peer.ip(),
            secure: self.client.secure,
            server_name: tls.and_then(|tls| tls.server_name.as_deref()),
            body,
        }
    }

    pub(super) fn describe(&self, line: &mut Line) {
        line.client = Some(self.client.address);
        line.host = self.host.clone();
        line.path.clone_from(&self.path);
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
            fault: None,
            notes: Default::default(),
        };
        (context, self.rest)
    }
}

/// Notes of a request what can be said of any, for when it cannot be read.
pub(super) fn describe(request: &Request<Body>, connection: &Connection, line: &mut Line) {
    line.client = Some(connection.peer.ip().to_canonical());
    line.protocol = Some(connection.protocol);
    line.method = request.method().clone();
    request.uri().path().clone_into(&mut line.path);
    line.user_agent = request.headers().get(header::USER_AGENT).cloned();
}

/// TRACE would show the client what proxies in between have added; a plain CONNECT would make this an
/// open proxy.
fn check_method(method: &Method, switches: bool) -> Result<(), Rejection> {
    if *method == Method::TRACE {
        // RFC 9110, 15.5.6 asks for `Allow`; there is no list that holds for the whole gateway.
        let allow = HeaderValue::from_static("");
        let rejection = Rejection::new(Code::MethodNotAllowed, "TRACE is not allowed");
        return Err(rejection.with_header(header::ALLOW, allow));
    }
    if *method == Method::CONNECT && !switches {
        let detail = "CONNECT is not implemented";
        return Err(Rejection::new(Code::NotImplemented, detail));
    }
    Ok(())
}

/// Counts `Max-Forwards` down. Whether the request may go on.
fn hand_on(headers: &mut HeaderMap) -> bool {
    let Some(left) = headers.get_mut(header::MAX_FORWARDS) else {
        return true;
    };
    let count = left.to_str().ok().and_then(|text| text.parse::<u32>().ok());
    match count {
        Some(0) => return false,
        Some(count) => *left = HeaderValue::from(count - 1),
        None => {}
    }
    true
}

/// The path in its normalised form, and whether it was written like that. What speaks of the whole
/// server (`*`), or names only a host (CONNECT), is the root.
fn path(uri: &Uri) -> Result<(String, bool), Rejection> {
    match uri.path() {
        "*" | "" => Ok(("/".to_owned(), false)),
        path => match normalize(path).map_err(refused)? {
            Cow::Borrowed(path) => Ok((path.to_owned(), true)),
            Cow::Owned(path) => Ok((path, false)),
        },
    }
}

/// The host in lower case, without port and trailing dot. The codec has checked that there is one; HTTP/1.0
/// may come without.
fn host(headers: &HeaderMap, uri: &Uri) -> Result<Box<str>, Rejection> {
    let wrong = || Rejection::new(Code::BadRequest, "Host is not valid");
    let text = match (headers.get(header::HOST), uri.authority()) {
        (Some(value), _) => value.to_str().map_err(|_| wrong())?,
        (None, Some(authority)) => authority.as_str(),
        (None, None) => return Ok("".into()),
    };
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

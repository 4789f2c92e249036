//! The stage *read*: what the request says, in the one form that everything after it uses.

use std::sync::{Arc, atomic::AtomicU64};

use gatewright_engine::{Client, Code, Payload, Query, Rejection, RequestContext, Route, Snapshot};
use http::{HeaderValue, Method, Request, header, uri::PathAndQuery};
use smallvec::SmallVec;

use super::{
    Proxy,
    forwarded::add_via,
    head::{check_method, hand_on, host, path},
    hop_by_hop::strip_request,
    request_id,
    seen::Seen,
};
use crate::{
    body::{Body, Metered},
    exchange::{Connection, Incoming},
    telemetry::{Line, Record, RequestBytes},
};

/// A request's head, read.
pub(super) struct Head<'c> {
    pub(super) host: Box<str>,
    pub(super) path: String,
    pub(super) incoming: Box<Incoming>,
    /// Whether the request is to be answered here, since it has passed enough proxies (RFC 9110, 7.6.2).
    pub(super) ends_here: bool,
    pub(super) client: Client,
    connection: &'c Arc<Connection>,
    as_written: bool,
}

/// What the request path keeps beside the plugins' view of the request.
pub(super) struct Rest<'c> {
    /// Without method and fields, which plugins have.
    pub(super) incoming: Box<Incoming>,
    pub(super) connection: &'c Arc<Connection>,
    /// Whether the client wrote the path in its normalised form.
    pub(super) as_written: bool,
}

impl Proxy {
    /// Reads the head and leaves the body.
    pub(super) fn read<'c>(
        &self,
        connection: &'c Arc<Connection>,
        mut incoming: Box<Incoming>,
        request_id: &HeaderValue,
        record: &mut Record,
    ) -> Result<Head<'c>, Rejection> {
        let request = &mut incoming.request;
        check_method(request.method(), incoming.upgrade.is_some())?;
        let host = host(request.headers(), request.uri())?;
        self.check_authority(connection, &host)?;
        let (path, as_written) = path(request.uri())?;
        let (options, version) = (*request.method() == Method::OPTIONS, request.version());
        let headers = request.headers_mut();
        let seen = Seen::of(headers);
        strip_request(headers, seen)?;
        let ends_here = options && !hand_on(headers);
        let client = self.forwarded(connection, headers, seen);
        headers.insert(request_id::NAME, request_id.clone());
        add_via(headers, version);
        self.trace(headers, seen, record);
        Ok(Head {
            host,
            path,
            incoming,
            ends_here,
            client,
            connection,
            as_written,
        })
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
        request: &mut Request<Body>,
        record: &mut Record,
    ) -> Result<(), Rejection> {
        if matches!(request.body(), Body::Empty) {
            return Ok(());
        }
        let most = route
            .max_request_body_bytes
            .unwrap_or(self.limits.body_bytes);
        let most = if most == 0 { u64::MAX } else { most };
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let bytes = match length {
            Some(length) if length > most => {
                let detail = format!("the body is over {most} bytes");
                return Err(Rejection::new(Code::BodyTooLarge, detail));
            }
            // The codec sees to it that no more comes than was announced.
            Some(length) => RequestBytes::Announced(length),
            None => {
                let bytes = Arc::new(AtomicU64::new(0));
                let body = std::mem::take(request.body_mut());
                let metered = Metered::new(body, most, Arc::clone(&bytes));
                *request.body_mut() = Body::Stream(Box::pin(metered));
                RequestBytes::Counted(bytes)
            }
        };
        if let Some(facts) = record.facts() {
            facts.request_bytes = bytes;
        }
        Ok(())
    }
}

impl Rest<'_> {
    /// The request's body, to be taken or replaced.
    pub(super) fn body(&mut self) -> &mut Body {
        self.incoming.request.body_mut()
    }

    /// The same without the body, for asking once more.
    pub(super) fn again(&self) -> Self {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = self.incoming.request.uri().clone();
        Self {
            incoming: Box::new(Incoming {
                request,
                upgrade: self.incoming.upgrade.clone(),
                interim: self.incoming.interim.clone(),
            }),
            ..*self
        }
    }

    /// Path and query as the client wrote them; none where that is not the normalised form.
    pub(super) fn target(&self) -> Option<PathAndQuery> {
        let written = self.incoming.request.uri().path_and_query();
        written.filter(|_| self.as_written).cloned()
    }
}

impl<'c> Head<'c> {
    /// What can be told of the body before it is read. What follows a CONNECT is none.
    pub(super) fn payload(&self) -> Payload<'static> {
        let request = &self.incoming.request;
        if matches!(request.body(), Body::Empty) || *request.method() == Method::CONNECT {
            Payload::None
        } else {
            Payload::Unread
        }
    }

    /// What the request is matched by.
    pub(super) fn query<'q>(&'q self, body: Payload<'q>) -> Query<'q> {
        let tls = self.connection.tls.as_ref();
        let request = &self.incoming.request;
        Query {
            host: &self.host,
            path: &self.path,
            query: request.uri().query(),
            method: request.method(),
            headers: request.headers(),
            client: self.client.address,
            peer: self.connection.peer.ip(),
            secure: self.client.secure,
            server_name: tls.and_then(|tls| tls.client.server_name.as_deref()),
            body,
        }
    }

    pub(super) fn describe(&self, line: &mut Line) {
        line.client = Some(self.client.address);
        line.host = self.host.clone();
        line.path.clone_from(&self.path);
        line.tls = self.client.tls.clone();
    }

    pub(super) fn into_context(
        mut self,
        snapshot: &Arc<Snapshot>,
        route: Arc<Route>,
    ) -> (RequestContext, Rest<'c>) {
        let has_body = !matches!(self.payload(), Payload::None);
        let request = &mut self.incoming.request;
        let written = match self.as_written {
            true => None,
            false => request.uri().path_and_query().cloned(),
        };
        let context = RequestContext {
            snapshot: Arc::clone(snapshot),
            route,
            client: self.client,
            method: std::mem::take(request.method_mut()),
            host: self.host,
            path: self.path,
            query: request.uri().query().map(str::to_owned),
            written,
            has_body,
            headers: std::mem::take(request.headers_mut()),
            consumer: None,
            credential: None,
            claims: None,
            certificate: None,
            authenticated_by: Default::default(),
            decisions: SmallVec::new(),
            fault: None,
            renewal: None,
            notes: Default::default(),
        };
        let rest = Rest {
            incoming: self.incoming,
            connection: self.connection,
            as_written: self.as_written,
        };
        (context, rest)
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

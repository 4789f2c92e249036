//! The stages *pick* and *forward*: a target, the request as it is to be for it, another target where that
//! is safe.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gatewright_engine::{Code, Rejection, RequestContext, Service};
use gatewright_proto::v1::Protocol as Spoken;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};

use crate::{
    body::Body,
    connect::{Origin, SendError},
    exchange::{Interim, Protocol},
    http1::client::{Outgoing, Received},
    proxy::{Matching, Outcome, add_via, remove_hop_by_hop},
    telemetry::{Record, Stage},
    upstream::{Address, InFlight, LiveUpstream},
};

/// Targets that one request is sent to, at most.
const MAX_ATTEMPTS: usize = 3;

/// Sends requests to targets, over the connections of one worker.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) worker: usize,
    pub(crate) http1: crate::http1::client::Pool,
    pub(crate) http2: crate::http2::client::Pool,
}

/// What to forward, and where.
pub(crate) struct Forward<'a> {
    pub(crate) service: &'a Arc<Service>,
    pub(crate) upstream: Option<&'a Arc<LiveUpstream>>,
    pub(crate) matched: Matching,
    pub(crate) upgrade: Option<Box<str>>,
    pub(crate) interim: Interim,
    pub(crate) protocol: Protocol,
    pub(crate) body: Body,
}

impl Forwarder {
    /// Forwards, and returns at the response head.
    pub(crate) async fn forward(
        &self,
        context: &mut RequestContext,
        forward: Forward<'_>,
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        let service = Arc::clone(forward.service);
        record.note(|line| line.service = Some(Arc::clone(&service.name)));
        let timeout_ms = context
            .route
            .request_timeout_ms
            .unwrap_or(service.request_timeout_ms);
        let switching = forward.upgrade.is_some();
        let sent = self.attempts(context, forward, record);
        let received = if timeout_ms == 0 {
            sent.await
        } else {
            let deadline = Instant::now() + Duration::from_millis(u64::from(timeout_ms));
            timeout_at(deadline, sent)
                .await
                .unwrap_or_else(|_| Err(too_late(timeout_ms)))
        };
        let received = received?;
        record.note(|line| line.upstream_status = Some(received.response.status().as_u16()));
        record.reach(Stage::Respond);
        answered(received, switching)
    }

    /// Sends to one target after the other, where nobody can have seen the request.
    async fn attempts(
        &self,
        context: &mut RequestContext,
        forward: Forward<'_>,
        record: &mut Record,
    ) -> Result<Received, Rejection> {
        let service = forward.service;
        let upstream = forward.upstream.ok_or_else(no_target)?;
        let connect = Duration::from_millis(u64::from(service.connect_timeout_ms));
        let replayable = matches!(forward.body, Body::Empty);
        let idempotent = context.method.is_idempotent();
        let preserve = context.route.preserve_host;
        let mut outgoing = outgoing(context, forward, connect)?;
        let mut tried: SmallVec<[SocketAddr; MAX_ATTEMPTS]> = SmallVec::new();
        let mut last = None;
        while tried.len() < MAX_ATTEMPTS {
            record.reach(Stage::Pick);
            let address = match upstream.pick(self.worker, &tried, connect).await {
                Some(address) => address,
                // The only target there is may have closed a connection that had been idle: once more.
                None => match last {
                    Some((SendError::Closed { reused: true }, address)) => {
                        tried.push(SocketAddr::from(([0, 0, 0, 0], 0)));
                        address
                    }
                    Some((error, _)) => return Err(failed(&error)),
                    None => return Err(no_target()),
                },
            };
            tried.push(address.socket);
            record.reach(Stage::Forward);
            record.note(|line| line.target = Some(address.socket));
            if !preserve {
                outgoing
                    .request
                    .headers_mut()
                    .insert(header::HOST, host_of(&address, service));
            }
            let busy = address.begin();
            let error = match self.send(service, &address, &mut outgoing).await {
                Ok(received) => return Ok(counted(received, busy)),
                Err(error) => error,
            };
            let unseen = match &error {
                SendError::Connect(_) | SendError::ConnectTimeout(_) => true,
                SendError::Refused => replayable,
                SendError::Closed { reused: true } => replayable && idempotent,
                _ => false,
            };
            if !unseen {
                return Err(failed(&error));
            }
            last = Some((error, address));
        }
        Err(last.map_or_else(no_target, |(error, _)| failed(&error)))
    }

    async fn send(
        &self,
        service: &Service,
        address: &Address,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        let tls = service.tls.as_ref().map(|tls| {
            let name = tls.server_name.as_deref().map(Arc::from);
            (
                Arc::clone(tls),
                name.unwrap_or_else(|| Arc::clone(&address.host)),
            )
        });
        let origin = Origin {
            address: address.socket,
            tls,
            protocol: service.protocol,
        };
        match service.protocol {
            Spoken::Http1 => self.http1.send(&origin, outgoing).await,
            Spoken::Http2 => self.http2.send(&origin, outgoing).await,
        }
    }
}

/// The request for the upstream, from what plugins have left of it.
fn outgoing(
    context: &mut RequestContext,
    forward: Forward<'_>,
    connect_timeout: Duration,
) -> Result<Outgoing, Rejection> {
    let service = forward.service;
    let uri = target(context, &forward.matched, service)?;
    let mut request = Request::new(forward.body);
    *request.method_mut() = context.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = std::mem::take(&mut context.headers);
    let idle = u64::from(service.idle_timeout_ms);
    if forward.protocol == Protocol::Http2 && forward.upgrade.is_some() {
        let detail = "switching protocols from HTTP/2 is not possible for this service";
        return Err(Rejection::new(Code::NotImplemented, detail));
    }
    Ok(Outgoing {
        request,
        upgrade: forward.upgrade,
        interim: forward.interim,
        connect_timeout,
        idle_timeout: (idle > 0).then(|| Duration::from_millis(idle)),
    })
}

/// Path and query to ask for.
fn target(
    context: &RequestContext,
    matched: &Matching,
    service: &Service,
) -> Result<Uri, Rejection> {
    let route = &context.route;
    let rendered = route
        .rewrite
        .as_ref()
        .map(|rewrite| rewrite.render(&context.path, &matched.parameters));
    let path = match &rendered {
        Some(path) => path,
        None if route.strip_prefix => &context.path[matched.prefix_bytes..],
        None => &context.path,
    };
    let mut text = String::with_capacity(
        service.base_path.len()
            + path.len()
            + 1
            + context.query.as_ref().map_or(0, |query| query.len() + 1),
    );
    text.push_str(&service.base_path);
    if !path.starts_with('/') {
        text.push('/');
    }
    text.push_str(path);
    if let Some(query) = &context.query {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text))
        .map(Uri::from)
        .map_err(|_| Rejection::new(Code::BadRequest, "the path cannot be forwarded"))
}

/// Host for a target: its name, and its port where it is not the scheme's own.
fn host_of(address: &Address, service: &Service) -> HeaderValue {
    let own = if service.tls.is_some() { 443 } else { 80 };
    let port = address.socket.port();
    let bracketed = address.host.contains(':');
    let text = match (bracketed, port == own) {
        (false, true) => return HeaderValue::from_str(&address.host).unwrap_or_else(|_| empty()),
        (false, false) => format!("{}:{port}", address.host),
        (true, true) => format!("[{}]", address.host),
        (true, false) => format!("[{}]:{port}", address.host),
    };
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or_else(|_| empty())
}

const fn empty() -> HeaderValue {
    HeaderValue::from_static("")
}

/// The response for the client.
fn answered(received: Received, switching: bool) -> Result<Outcome, Rejection> {
    let (mut parts, body) = received.response.into_parts();
    let switched = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    if switched && (!switching || received.tunnel.is_none()) {
        let detail = "the upstream switched protocols without being asked";
        return Err(Rejection::new(Code::BadGateway, detail));
    }
    let upgrade = parts
        .headers
        .get(header::UPGRADE)
        .cloned()
        .filter(|_| switched);
    if remove_hop_by_hop(&mut parts.headers).is_err() {
        parts.headers.remove(header::CONNECTION);
    }
    if let Some(upgrade) = upgrade {
        parts
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, upgrade);
    }
    add_via(&mut parts.headers);
    Ok((Response::from_parts(parts, body), received.tunnel))
}

/// Counts the request until its answer's body has ended.
fn counted(received: Received, busy: InFlight) -> Received {
    let response = received.response.map(|body| match body {
        Body::Stream(stream) => Body::Stream(Box::pin(crate::body::Guarded::new(stream, busy))),
        whole => whole,
    });
    Received {
        response,
        ..received
    }
}

fn no_target() -> Rejection {
    Rejection::new(Code::NoTarget, "the upstream has no target")
}

fn too_late(timeout_ms: u32) -> Rejection {
    let detail = format!("the upstream did not answer within {timeout_ms} ms");
    Rejection::new(Code::UpstreamTimeout, detail)
}

fn failed(error: &SendError) -> Rejection {
    use crate::body::BodyError;
    match error {
        SendError::Connect(_) | SendError::ConnectTimeout(_) => {
            Rejection::new(Code::UpstreamUnreachable, "the upstream cannot be reached")
        }
        SendError::RequestBody(BodyError::TooLarge(most)) => {
            Rejection::new(Code::BodyTooLarge, format!("the body is over {most} bytes"))
        }
        SendError::RequestBody(BodyError::Timeout) => {
            Rejection::new(Code::RequestTimeout, "the body did not arrive in time")
        }
        SendError::RequestBody(_) => Rejection::new(Code::BadRequest, "the body is broken"),
        SendError::Malformed(what) => Rejection::new(
            Code::BadGateway,
            format!("the upstream's answer is malformed: {what}"),
        ),
        SendError::IdleTimeout => Rejection::new(
            Code::UpstreamTimeout,
            "the upstream was silent for too long",
        ),
        SendError::Refused | SendError::Closed { .. } => {
            Rejection::new(Code::BadGateway, "the upstream closed before it answered")
        }
    }
}

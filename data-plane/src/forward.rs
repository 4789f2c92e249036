//! The stages *pick* and *forward*: a target, the request as it is to be for it, another target where that
//! is safe.

pub(crate) mod attempt;
mod failure;
mod outgoing;
mod timers;

use std::{
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::{Rejection, RequestContext, Service, outcome::End};
use gatewright_proto::v1::Protocol as Spoken;
use http::{HeaderValue, Response, StatusCode, Version, header, uri::PathAndQuery};
use smallvec::SmallVec;

use crate::{
    body::{Body, Timed},
    connect::{Origin, SendError},
    exchange::{Interim, Protocol},
    guard,
    http1::client::{Outgoing, Received},
    proxy::{Matching, Outcome, add_via, strip_response},
    published::LiveService,
    telemetry::{Record, Stage},
    upstream::{Address, Pick, affinity},
    websocket::Handshake,
};
use attempt::{Attempt, Running, end};
use failure::{failed, no_target, too_late, unseen};
use outgoing::outgoing;
pub(crate) use timers::Timers;

/// Targets that one request is sent to, at most.
const MAX_ATTEMPTS: usize = 3;

/// Sends requests to targets, over the connections of one worker.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) worker: usize,
    pub(crate) http1: crate::http1::client::Pool,
    pub(crate) http2: crate::http2::client::Pool,
    pub(crate) timers: Timers,
}

/// What to forward, and where.
pub(crate) struct Forward<'a> {
    pub(crate) service: &'a Arc<Service>,
    pub(crate) live: Option<&'a LiveService>,
    pub(crate) matched: Matching,
    /// Path and query as the client wrote them, where that is the normalised form.
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) upgrade: Option<Box<str>>,
    pub(crate) interim: Interim,
    pub(crate) protocol: Protocol,
    /// Taken when the request is sent; what is left of it comes back where there is no response.
    pub(crate) body: &'a mut Body,
}

/// What stays the same in all attempts of one request.
#[derive(Clone, Copy)]
struct Call<'a> {
    context: &'a RequestContext,
    service: &'a Service,
    live: &'a LiveService,
    /// When the request came here.
    began: Instant,
}

impl Forwarder {
    /// Forwards, and returns at the response head.
    pub(crate) async fn forward(
        &self,
        context: &mut RequestContext,
        forward: Forward<'_>,
        record: &mut Record,
    ) -> Result<Outcome, Rejection> {
        record.reach(Stage::Pick);
        let (service, live) = (forward.service, forward.live.ok_or_else(no_target)?);
        record.note(|line| line.service = Some(Arc::clone(&service.name)));
        if let Some(facts) = record.facts() {
            facts.service = Some(Arc::clone(&live.metrics));
        }
        let of_route = context.route.request_timeout_ms;
        let timeout_ms = of_route.unwrap_or(service.request_timeout_ms);
        let timeout = (timeout_ms > 0).then(|| Duration::from_millis(u64::from(timeout_ms)));
        let began = Instant::now();
        let deadline = timeout.map(|timeout| began + timeout);
        let permit = guard::enter(context, live, began)?;
        let (mut outgoing, handshake, rest) = outgoing(context, forward)?;
        let mut running = Running::new();
        let received = {
            let call = Call {
                context,
                service,
                live,
                began,
            };
            // Pinned here: what takes a future by value makes room for it twice, on every connection.
            let attempts = pin!(self.attempts(&call, &mut outgoing, &mut running, record));
            match timeout {
                None => attempts.await,
                Some(timeout) => {
                    let within = self.timers.within(timeout, attempts).await;
                    within.unwrap_or_else(|| Err(too_late(timeout_ms)))
                }
            }
        };
        for late in running {
            late.finish(End::Timeout, Instant::now());
        }
        guard::finish(
            permit,
            (context, live),
            (&received, service.protocol),
            began,
            record,
        );
        // Plugins that look at the response may look at the request once more.
        context.headers = std::mem::take(outgoing.request.headers_mut());
        if received.is_err() {
            *rest = std::mem::take(outgoing.request.body_mut());
        }
        let received = received?;
        record.note(|line| line.upstream_status = Some(received.response.status().as_u16()));
        answered(received, &handshake, service.protocol, deadline)
    }

    /// Sends to one target after the other, where nobody can have seen the request.
    async fn attempts<'a>(
        &self,
        call: &Call<'a>,
        outgoing: &mut Outgoing,
        running: &mut Running<'a>,
        record: &mut Record,
    ) -> Result<Received, Rejection> {
        let Call {
            context,
            service,
            live,
            ..
        } = *call;
        let empty = matches!(outgoing.request.body(), Body::Empty);
        let again = (empty, empty && context.method.is_idempotent());
        let mut tried: SmallVec<[SocketAddr; MAX_ATTEMPTS]> = SmallVec::new();
        let mut last: Option<SendError> = None;
        let mut once_more = None;
        let affinity = affinity(context, &live.upstream);
        for _ in 0..MAX_ATTEMPTS {
            let pick = Pick {
                worker: self.worker,
                tried: &tried,
                affinity: &affinity,
                patience: outgoing.connect_timeout,
            };
            let picked = live.upstream.pick(&pick).await;
            // The only target there is may have closed a connection that had been idle.
            let Some(address) = picked.or_else(|| once_more.take()) else {
                break;
            };
            // The first attempt begins with the stage: a name that is not resolved yet is rare.
            let first = tried.is_empty().then_some(call.began);
            let began = first.unwrap_or_else(Instant::now);
            tried.push(address.socket);
            record.forwarding(began);
            record.note(|line| line.target = Some(address.socket));
            if !context.route.preserve_host {
                let host = address.authority(service.tls.is_some());
                outgoing.request.headers_mut().insert(header::HOST, host);
            }
            running.push(Attempt::begin(live, Arc::clone(&address), began));
            let sent = self.send((service, live), &address, outgoing).await;
            let now = Instant::now();
            let over = running.pop();
            let ended = over.map(|attempt| attempt.finish(end(&sent, service.protocol), now));
            let error = match sent {
                Ok(mut received) => {
                    record.answered(now);
                    if let (Some(facts), Some((_, busy))) = (record.facts(), ended) {
                        facts.busy = busy;
                    }
                    affinity.respond(&address, received.response.headers_mut());
                    return Ok(received);
                }
                Err(error) => error,
            };
            tracing::debug!(%error, target = %address.socket, "a target did not answer");
            if !unseen(&error, again) {
                return Err(failed(&error));
            }
            record.reach(Stage::Pick);
            once_more = matches!(error, SendError::Closed { .. }).then_some(address);
            last = Some(error);
        }
        Err(last.map_or_else(no_target, |error| failed(&error)))
    }

    async fn send(
        &self,
        (service, live): (&Service, &LiveService),
        address: &Address,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        let tls = service.tls.as_ref().map(|tls| {
            let name = live.server_name.as_ref().unwrap_or(&address.host);
            (Arc::clone(tls), Arc::clone(name))
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

/// The response for the client.
fn answered(
    received: Received,
    handshake: &Handshake,
    spoken: Spoken,
    deadline: Option<Instant>,
) -> Result<Outcome, Rejection> {
    let (mut parts, mut body) = received.response.into_parts();
    handshake.finish(&mut parts, received.tunnel.is_some())?;
    let headers = &mut parts.headers;
    let switched = parts.status == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = headers.get(header::UPGRADE).filter(|_| switched).cloned();
    strip_response(headers);
    if let Some(upgrade) = upgrade {
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
    // A tunnel has left the time of a request behind.
    if let Some(deadline) = deadline.filter(|_| received.tunnel.is_none()) {
        body = Timed::wrap(body, deadline.into());
    }
    Ok((Response::from_parts(parts, body), received.tunnel))
}

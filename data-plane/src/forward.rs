//! The stages *pick* and *forward*: a target, the request as it is to be for it, and further attempts where
//! the policy asks for them.

mod again;
mod answered;
pub(crate) mod attempt;
mod bounded;
mod call;
mod failure;
mod limit;
mod outgoing;
mod plan;
mod race;
mod replay;
mod timed;
mod timers;

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::{Rejection, RequestContext, Service, outcome::End, retry::Stop};
use gatewright_proto::v1::{Protocol as Spoken, ProxyProtocol};
use http::{Response, StatusCode, uri::PathAndQuery};

use crate::{
    body::Body,
    connect::{Origin, SendError},
    exchange::{Connection, Interim},
    guard,
    http1::client::{Outgoing, Received},
    proxy::{Matching, Outcome},
    proxy_protocol::Ends,
    published::LiveService,
    telemetry::{Record, Stage},
    upstream::{Address, Pick, affinity},
};
use answered::{answered, bound};
use attempt::{Running, Tried};
use bounded::Bounded;
pub(crate) use call::ATTEMPT_COUNT;
use call::Call;
use failure::{no_target, nobody, too_late};
use limit::Limit;
use outgoing::outgoing;
pub(crate) use plan::may_repeat;
pub(crate) use replay::Replay;
pub(crate) use timers::Timers;

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
    /// The client's.
    pub(crate) connection: &'a Connection,
    /// Taken when the request is sent; what is left of it comes back where there is no response.
    pub(crate) body: &'a mut Body,
}

/// Attempts after the first.
type Further<'f> = Pin<Box<dyn Future<Output = Result<Received, Rejection>> + Send + 'f>>;

/// What changes with each attempt of one request.
struct Work<'w, 'a> {
    outgoing: &'w mut Outgoing,
    running: &'w mut Running<'a>,
    record: &'w mut Record,
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
        let since = record.now(held_up(context, forward.body));
        let permit = guard::enter(context, live, since)?;
        let plan = plan::plan(context, service, (&mut *forward.body, since))?;
        let idle = forward
            .upgrade
            .is_some()
            .then_some(plan::idle(context, service));
        let affinity = affinity(context, &live.upstream);
        let client = told(service, context, forward.connection);
        // While a body is on its way, that time has not begun.
        let given_up_after = plan.left(since).filter(|_| plan.body.is_none());
        let times = (since, given_up_after);
        let (mut outgoing, handshake, rest) = outgoing(context, forward, times)?;
        let mut running = Running::new();
        let received = {
            let call = Call::new(context, (service, live), (&plan, affinity, client));
            // Pinned here: what takes a future by value makes room for it twice, on every connection.
            let mut work = Work {
                outgoing: &mut outgoing,
                running: &mut running,
                record: &mut *record,
            };
            let attempts = pin!(self.attempts(&call, &mut work));
            if plan.is_none() {
                attempts.await
            } else {
                let within = self.timers.within(&plan, attempts).await;
                within.unwrap_or_else(|| Err(too_late(&plan)))
            }
        };
        for late in running {
            let number = late.number;
            record.attempted(number, late.finish(plan.end(), Instant::now()).0);
        }
        let end = ended(&received, service.protocol, &plan);
        guard::finish(permit, (context, live), (end, since), record);
        // Plugins that look at the response may look at the request once more.
        context.headers = std::mem::take(outgoing.request.headers_mut());
        if received
            .as_ref()
            .map_or(true, |it| is_refused(context, &it.response))
        {
            *rest = plan.rest().unwrap_or_default();
        }
        let mut received = received?;
        record.note(|line| line.upstream_status = Some(received.response.status().as_u16()));
        if let Some(tunnel) = received.tunnel.take() {
            let by = plan.by.map(Into::into);
            received.tunnel = Some(Bounded::wrap(tunnel, by, idle.flatten()));
        }
        let (mut response, tunnel) = answered(received, &handshake, service.protocol)?;
        // A tunnel has left the time of a request behind.
        if tunnel.is_none() && matches!(response.body(), Body::Stream(_)) {
            bound(&mut response, plan);
        }
        Ok((response, tunnel))
    }

    /// Sends, and sends again where that is to be.
    async fn attempts<'a>(
        &self,
        call: &Call<'a>,
        work: &mut Work<'_, 'a>,
    ) -> Result<Received, Rejection> {
        if let Some(hedge) = call.hedge.filter(|_| work.outgoing.upgrade.is_none()) {
            return Box::pin(self.race((call, hedge), work)).await;
        }
        let picked = self.pick(call, &[]).await;
        let address = picked.ok_or_else(|| nobody(&call.live.upstream))?;
        // The first attempt begins with the stage: a name that is not resolved yet is rare.
        let since = call.limit.since;
        work.record.forwarding(since, address.socket, None);
        call.begin((&address, 0, since), work.outgoing, work.running);
        let first = self.attempt(call, &address, work).await;
        match self.after(call, (first, address), work) {
            Ok(settled) => settled,
            Err(again) => again.await,
        }
    }

    /// What comes of the first attempt. Not part of the future above, which would have room for both ways.
    ///
    /// # Errors
    /// Further attempts are to decide.
    fn after<'f, 'a>(
        &'f self,
        call: &'f Call<'a>,
        (first, address): (Tried, Arc<Address>),
        work: &'f mut Work<'_, 'a>,
    ) -> Result<Result<Received, Rejection>, Further<'f>> {
        if call.is_settled(&first) {
            return Ok(call.settle((first, &address), Stop::Settled, 1, work.record));
        }
        Err(Box::pin(self.again(call, (first, address), work)))
    }

    /// A target other than these.
    async fn pick(&self, call: &Call<'_>, tried: &[SocketAddr]) -> Option<Arc<Address>> {
        let pick = Pick {
            worker: self.worker,
            tried,
            affinity: &call.affinity,
            patience: call.patience(),
        };
        call.live.upstream.pick(&pick).await
    }

    /// One attempt, which has begun, to its end.
    async fn attempt<'a>(
        &self,
        call: &Call<'a>,
        address: &Address,
        work: &mut Work<'_, 'a>,
    ) -> Tried {
        let limit = call.limit_of_try(work.running);
        let sent = self.send_within(call, limit, address, work.outgoing).await;
        let spoken = (call.service.protocol, call.limit);
        Tried::of(sent, work.running.pop(), spoken, work.record)
    }

    async fn send_within(
        &self,
        call: &Call<'_>,
        limit: Option<Box<(Duration, Limit)>>,
        address: &Address,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        let sending = pin!(self.send(call, address, outgoing));
        let sent = match limit {
            None => sending.await,
            // Boxed, like all that few requests need: the future of each has room for the largest part of any.
            Some(limit) => {
                let within = Box::pin(self.timers.within(&limit.1, sending)).await;
                within.unwrap_or(Err(SendError::AttemptTimeout(limit.0)))
            }
        };
        if let Err(error) = &sent {
            tracing::debug!(%error, target = %address.socket, "a target did not answer");
        }
        sent
    }

    async fn send(
        &self,
        call: &Call<'_>,
        address: &Address,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        let (service, live) = (call.service, call.live);
        let name = service.tls.as_ref().map(|_| {
            let name = live.server_name.as_ref().unwrap_or(&address.host);
            Arc::clone(name)
        });
        let origin = Origin {
            address: address.socket,
            name,
            client: call.client.clone(),
            link: Arc::clone(&live.link),
        };
        match service.protocol {
            Spoken::Http1 => self.http1.send(&origin, outgoing).await,
            Spoken::Http2 => self.http2.send(&origin, outgoing).await,
        }
    }
}

/// Whether the upstream did not take a credential of the gateway's own that can be had anew.
pub(crate) fn is_refused<B>(context: &RequestContext, response: &Response<B>) -> bool {
    context.renewal.is_some() && response.status() == StatusCode::UNAUTHORIZED
}

/// Whether time may have passed since the request was read. Plugins and bodies may have taken theirs; nothing else has.
fn held_up(context: &RequestContext, body: &Body) -> bool {
    !context.route.chain.instances.is_empty()
        || context.consumer.is_some()
        || !matches!(body, Body::Empty)
}

/// What targets are told of the client, where they are.
fn told(service: &Service, context: &RequestContext, connection: &Connection) -> Option<Arc<Ends>> {
    let told = service.proxy_protocol != ProxyProtocol::Off;
    told.then(|| Ends::told(context.client.address, connection))
}

/// What became of the request, for what protects the service.
fn ended(received: &Result<Received, Rejection>, spoken: Spoken, plan: &Limit) -> End {
    match received {
        Ok(received) => plan.judged(attempt::response(received, spoken)),
        Err(rejection) => guard::end(rejection.code, plan.end()),
    }
}

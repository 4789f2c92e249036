//! What stays the same in all attempts of one request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::{
    Rejection, RequestContext, Service,
    guard::RetryPlace,
    retry::{DeadlineRule, Ended, Hedge, Permit, RetryPolicy, Stop},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    attempt::{Attempt, Running, Tried},
    limit::Limit,
    plan::{deadline, ms, overrides, policy},
};
use crate::{
    connect::SendError,
    grpc,
    http1::client::{Outgoing, Received},
    proxy_protocol::Ends,
    published::LiveService,
    telemetry::Record,
    upstream::{Address, Affinity},
};

/// Which attempt it is, for targets, and how many there were, for clients.
pub(crate) const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("gatewright-attempt-count");

/// What stays the same in all attempts of one request.
pub(super) struct Call<'a> {
    pub(super) context: &'a RequestContext,
    pub(super) service: &'a Service,
    pub(super) live: &'a LiveService,
    pub(super) policy: &'a RetryPolicy,
    /// Only where the request may be sent twice.
    pub(super) hedge: Option<&'a Hedge>,
    pub(super) limit: &'a Limit,
    /// What ties the request to a target.
    pub(super) affinity: Affinity,
    /// Only where targets are told of the client.
    pub(super) client: Option<Arc<Ends>>,
    /// Only where targets are told how long the client waits.
    deadline: Option<&'a DeadlineRule>,
}

/// Says which host is meant. There is one already, but for HTTP/1.0, and nearly always no second one.
fn set_host(headers: &mut HeaderMap, host: HeaderValue) {
    let mut present = headers
        .iter_mut()
        .filter(|(name, _)| **name == header::HOST);
    match (present.next(), present.next()) {
        (Some((_, only)), None) => *only = host,
        _ => {
            headers.insert(header::HOST, host);
        }
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(
        context: &'a RequestContext,
        (service, live): (&'a Service, &'a LiveService),
        (limit, affinity, client): (&'a Limit, Affinity, Option<Arc<Ends>>),
    ) -> Self {
        let policy = policy(context, service);
        let of_route = overrides(context).and_then(|it| it.hedge.as_ref());
        let hedge = of_route.or(service.hedge.as_ref());
        Self {
            context,
            service,
            live,
            policy,
            hedge: hedge.filter(|_| policy.may_repeat(&context.method)),
            limit,
            affinity,
            client,
            deadline: deadline(context, service).filter(|it| it.forward),
        }
    }

    /// Whether the request can be sent from its beginning.
    pub(super) fn is_replayable(&self) -> bool {
        self.limit.body.as_ref().is_none_or(|body| body.is_whole())
    }

    /// Whether all of the request is there.
    pub(super) fn is_received(&self) -> bool {
        let body = self.limit.body.as_ref();
        body.is_none_or(|body| body.ended().is_some())
    }

    /// Time to find a target, as to open a connection.
    pub(super) const fn patience(&self) -> Duration {
        ms(self.service.connect_timeout_ms)
    }

    /// A place among the retries under way.
    pub(super) fn permit(&self) -> Option<Permit> {
        let most = self.policy.budget.most(self.live.upstream.in_flight());
        let permit = match &self.live.guard.limits {
            None => self.live.retrying.begin(most, None),
            Some(limits) => RetryPlace::take(limits)
                .and_then(|place| self.live.retrying.begin(most, Some(place))),
        };
        if permit.is_none() {
            self.live.metrics.retries.overflowed();
        }
        permit
    }

    /// This is what the client gets, after so many attempts.
    pub(super) fn settle(
        &self,
        (mut tried, address): (Tried, &Address),
        stop: Stop,
        attempts: usize,
        record: &mut Record,
    ) -> Result<Received, Rejection> {
        if let Ok(received) = &mut tried.sent {
            let headers = received.response.headers_mut();
            self.affinity.respond(address, headers);
            if self.policy.attempt_count {
                headers.insert(ATTEMPT_COUNT, HeaderValue::from(attempts));
            }
        }
        tried.settle(stop, record)
    }

    /// Begins an attempt: makes the request as it is to be for this target.
    pub(super) fn begin(
        &self,
        (address, number, now): (&Arc<Address>, usize, Instant),
        outgoing: &mut Outgoing,
        running: &mut Running<'a>,
    ) {
        outgoing.began = now.into();
        let headers = outgoing.request.headers_mut();
        if !self.context.route.preserve_host {
            let host = address.authority(self.service.tls.is_some());
            set_host(headers, host);
        }
        if self.policy.attempt_count {
            headers.insert(ATTEMPT_COUNT, HeaderValue::from(number + 1));
        }
        if let Some(rule) = self.deadline
            && let Some(left) = self.limit.left(now)
        {
            let left = left.min(self.policy.per_try_timeout.unwrap_or(left));
            let is_grpc = grpc::Form::of(headers).is_some();
            rule.tell(headers, left, is_grpc);
        }
        if let Some(idle) = self.policy.per_try_idle_timeout {
            let shorter = outgoing.idle_timeout.map_or(idle, |it| it.min(idle));
            outgoing.idle_timeout = Some(shorter);
        }
        if let Some(body) = &self.limit.body {
            *outgoing.request.body_mut() = body.reader();
        }
        let address = Arc::clone(address);
        running.push(Attempt::begin(self.live, address, number, now));
    }

    /// The limit of the attempt that has begun last, where there is one.
    pub(super) fn limit_of_try(&self, running: &Running<'_>) -> Option<Box<(Duration, Limit)>> {
        let time = self.policy.per_try_timeout?;
        let beside = self.hedge.is_some_and(|hedge| hedge.on_per_try_timeout);
        let since = running.last()?.began;
        let limit = Limit {
            since,
            body: self.limit.body.clone(),
            time: Some(time),
            by: None,
            impatient: false,
        };
        (!beside).then(|| Box::new((time, limit)))
    }

    /// Whether an attempt's end is that of the request, without a closer look.
    pub(super) fn is_settled(&self, tried: &Tried) -> bool {
        let headers = tried.headers();
        !matches!(tried.sent, Err(SendError::Closed { reused: true }))
            && self.policy.reason(&tried.end, headers).is_none()
    }

    /// What the policy is asked with.
    pub(super) fn ended<'t>(&'t self, tried: &'t Tried, retries: u32) -> Ended<'t> {
        let answered = tried.sent.is_ok();
        let now = std::time::SystemTime::now();
        let unix = now.duration_since(std::time::UNIX_EPOCH);
        Ended {
            end: tried.end,
            headers: tried.headers(),
            method: &self.context.method,
            // A response that comes before the end of the request is about what has come of it.
            replayable: self.is_replayable() && (!answered || self.is_received()),
            retries,
            time_left: self.limit.left(Instant::now()),
            chance: rand::random(),
            unix_now: unix.unwrap_or_default().as_secs(),
        }
    }
}

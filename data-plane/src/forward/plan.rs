//! What a request's route and service say of its time and its attempts.

use std::time::{Duration, Instant};

use gatewright_engine::{
    Overrides, Rejection, RequestContext, Service,
    retry::{DeadlineRule, RetryPolicy},
};
use gatewright_proto::v1::Protocol as Spoken;

use super::{failure::too_late, limit::Limit, replay::Replay};
use crate::body::Body;

pub(super) const fn ms(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds as u64)
}

pub(super) fn overrides(context: &RequestContext) -> Option<&Overrides> {
    context.route.overrides.as_deref()
}

pub(super) fn policy<'a>(context: &'a RequestContext, service: &'a Service) -> &'a RetryPolicy {
    let of_route = overrides(context).and_then(|it| it.retry.as_ref());
    of_route.unwrap_or(&service.retry)
}

/// Whether a request may be sent again although a service may have acted on it.
pub(crate) fn may_repeat(context: &RequestContext, service: &Service) -> bool {
    policy(context, service).may_repeat(&context.method)
}

pub(super) fn deadline<'a>(
    context: &'a RequestContext,
    service: &'a Service,
) -> Option<&'a DeadlineRule> {
    let of_route = overrides(context).and_then(|it| it.deadline.as_ref());
    of_route.or(service.deadline.as_ref())
}

/// The longest silence of a tunnel.
pub(super) fn idle(context: &RequestContext, service: &Service) -> Option<Duration> {
    let of_route = overrides(context).and_then(|it| it.idle_timeout_ms);
    let idle = of_route.unwrap_or(service.idle_timeout_ms);
    (idle > 0).then(|| ms(idle))
}

/// How long the request may take. A body that is still to come is put where it can be read again.
///
/// # Errors
/// The time is up already, as the client says.
pub(super) fn plan(
    context: &RequestContext,
    service: &Service,
    (body, since): (&mut Body, Instant),
) -> Result<Limit, Rejection> {
    let of_route = context.route.request_timeout_ms;
    let time = of_route.unwrap_or(service.request_timeout_ms);
    let mut limit = Limit {
        since,
        body: None,
        time: (time > 0).then(|| ms(time)),
        by: None,
        impatient: false,
    };
    let of_route = overrides(context).and_then(|it| it.max_stream_duration_ms);
    let duration = of_route.unwrap_or(service.max_stream_duration_ms);
    if duration > 0 {
        limit.by = since.checked_add(ms(duration));
    }
    if let Some(rule) = deadline(context, service)
        && let Some(asked) = rule.asked(&context.headers)
    {
        limit.ask(rule.bound(asked), rule.max.is_some());
        if limit.left(since) == Some(Duration::ZERO) {
            return Err(too_late(&limit));
        }
    }
    if !matches!(body, Body::Empty) {
        let policy = policy(context, service);
        // What is refused unseen, and a status of gRPC, is of HTTP/2.
        let of_http2 = service.protocol == Spoken::Http2 && policy.attempts > 0;
        // Where the credential may turn out to be an old one, the request has not been acted on.
        let kept = of_http2 || policy.may_repeat(&context.method) || context.renewal.is_some();
        let most = if kept { policy.max_body_bytes } else { 0 };
        limit.body = Some(Replay::new(std::mem::take(body), most));
    }
    Ok(limit)
}

impl Limit {
    /// Takes what a client asks for into account.
    fn ask(&mut self, asked: Duration, instead: bool) {
        let shorter = self.time.is_none_or(|time| asked < time);
        if instead {
            self.time = None;
        }
        let by = self.since.checked_add(asked);
        self.by = match (self.by, by) {
            (Some(present), Some(by)) => Some(present.min(by)),
            (present, by) => present.or(by),
        };
        self.impatient = shorter && self.by == by;
    }
}

//! What protects services, at work: the clock and the log of the decisions that the engine makes.

pub(crate) mod gate;
mod metrics;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use gatewright_engine::{
    Code, Rejection, RequestContext, Snapshot,
    guard::{Change, Guard, Moment, Permit, Phase, RouteBreaker},
    outcome::{End, Outcome},
    plugin::EFFECTIVE_RATE,
};
use gatewright_proto::v1::ServiceState;

use crate::{config_stream::Draft, published::LiveService, telemetry::Record};
pub(crate) use metrics::GuardMetrics;

/// When time began for all guards of the process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn moment(now: Instant) -> Moment {
    Moment {
        now: now.saturating_duration_since(*START),
        random: rand::random(),
    }
}

/// The time since the start, for what is read rather than decided.
pub(crate) fn now() -> Duration {
    START.elapsed()
}

/// Lets a request pass, or says what it is answered. None where nothing protects the service.
pub(crate) fn enter(
    context: &RequestContext,
    live: &LiveService,
    began: Instant,
) -> Result<Option<Permit>, Rejection> {
    let of_route = context.route.guard.as_deref().map(|it| &it.breaker);
    if live.guard.is_idle() && !matches!(of_route, Some(RouteBreaker::Own(_))) {
        return Ok(None);
    }
    let of_route = of_route.unwrap_or(&RouteBreaker::Inherited);
    let (entered, change) = live.guard.enter(of_route, moment(began));
    if let Some(change) = change {
        tell(change, context, live);
    }
    Ok(Some(entered?))
}

/// Takes in what became of a request. Its places last until the exchange is over.
pub(crate) fn finish(
    permit: Option<Permit>,
    (context, live): (&RequestContext, &LiveService),
    (end, began): (End, Instant),
    record: &mut Record,
) {
    let Some(mut permit) = permit else {
        return;
    };
    let now = Instant::now();
    let outcome = Outcome {
        end,
        took: now.saturating_duration_since(began),
    };
    if let Some(change) = permit.finish(&outcome, moment(now)) {
        tell(change, context, live);
    }
    if let Some(facts) = record.facts() {
        facts.permit = Some(permit);
    }
}

/// How the last attempt of a request ended that the gateway answered. That there is no target is known
/// without asking the service, so it says nothing of it.
pub(crate) const fn end(code: Code, late: End) -> End {
    match code {
        Code::UpstreamTimeout => late,
        Code::UpstreamUnreachable => End::Connect,
        Code::BadGateway => End::Reset { sent: true },
        _ => End::Abandoned,
    }
}

/// Learns from one attempt. `ejected` tells the share of the targets that are ill.
pub(crate) fn attempted(
    guard: &Guard,
    outcome: &Outcome,
    now: Instant,
    ejected: impl FnOnce() -> f64,
) {
    if !guard.is_idle() {
        guard.attempted(outcome, moment(now), ejected);
    }
}

/// One line at each change of a breaker.
fn tell(change: Change, context: &RequestContext, live: &LiveService) {
    let (from, to) = (change.from.as_str(), change.to.as_str());
    let service = &*live.metrics.service;
    let own =
        |it: &gatewright_engine::guard::RouteGuard| matches!(it.breaker, RouteBreaker::Own(_));
    let route = context.route.guard.as_deref().filter(|it| own(it));
    let route = route.map_or("", |_| &*context.route.name);
    match change.to {
        Phase::Open => {
            let open_ms = change.open_for.unwrap_or_default().as_millis() as u64;
            tracing::warn!(
                service,
                route,
                from,
                to,
                open_ms,
                "a circuit breaker opened"
            );
        }
        Phase::HalfOpen => {
            tracing::info!(
                service,
                route,
                from,
                to,
                "a circuit breaker lets probes through"
            );
        }
        Phase::Closed => tracing::info!(service, route, from, to, "a circuit breaker closed"),
    }
}

/// Tells the control plane of a service's guard.
pub(crate) fn report(guard: &Guard, row: &mut ServiceState) {
    if let Some(breaker) = &guard.breaker {
        breaker.state.phase().as_str().clone_into(&mut row.breaker);
    }
    if let Some(limits) = &guard.limits {
        row.limit = limits.settings.max_requests.map_or(0, u64::from);
        row.in_flight = u64::from(limits.state.requests.taken());
    }
    if let Some(concurrency) = &guard.concurrency {
        let limit = u64::from(concurrency.state.limit());
        row.limit = match row.limit {
            0 => limit,
            fixed => fixed.min(limit),
        };
        row.in_flight = u64::from(concurrency.state.in_flight());
    }
}

/// Tells the control plane which shares of adaptive rate limits are in force, for services that there are.
pub(crate) fn report_rates(snapshot: &Snapshot, draft: &mut Draft) {
    for instance in snapshot.plugins.values() {
        instance.gauges(&mut |gauge| {
            if gauge.name != EFFECTIVE_RATE || !is_service(snapshot, gauge.service) {
                return;
            }
            let percent = (gauge.value * 100.0).round().clamp(1.0, 100.0) as u32;
            let row = draft.service(gauge.service);
            row.rate_percent = match row.rate_percent {
                0 => percent,
                other => other.min(percent),
            };
        });
    }
}

fn is_service(snapshot: &Snapshot, name: &str) -> bool {
    let found = snapshot
        .services
        .binary_search_by(|it| (*it.name).cmp(name));
    found.is_ok()
}

//! What protects a service: breaker, limits, adaptive concurrency, admission control.

use std::{sync::Arc, time::Duration};

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, Baseline},
};

use super::{Compiler, Mistake, field};
use crate::guard::{
    AdmissionSettings, BreakerSettings, GradientSettings, Guard, Kept, LimitSettings, RouteBreaker,
    RouteGuard,
};

/// What states of breakers are kept as; the names of routes and services are told apart by a prefix.
const BREAKER: &str = "guard-breaker";
const MAX_MS: u32 = 3_600_000;
const MAX_COUNT: u32 = 1_000_000;

impl Compiler<'_> {
    /// The guard of a service. States are found by name, so that changes forget nothing.
    pub(super) fn guard(&self, name: &str, service: &v1::Service) -> Guard {
        let states = &self.registry.states;
        let own: Arc<str> = name.into();
        let mut ignored = Vec::new();
        let breaker = service.breaker.as_ref();
        let breaker = breaker.and_then(|it| breaker_settings(it, &mut ignored));
        let concurrency = service.concurrency.as_ref();
        let concurrency = concurrency.map(|it| gradient_settings(it, &mut ignored));
        let admission = service.admission.as_ref();
        let admission = admission.map(|it| admission_settings(it, &mut ignored));
        Guard {
            breaker: breaker.map(|settings| self.breaker(settings, &format!("service/{name}"))),
            concurrency: concurrency.map(|settings| Kept {
                settings,
                state: states.keep("guard-concurrency", &own, Default::default),
            }),
            admission: admission.map(|settings| Kept {
                settings,
                state: states.keep("guard-admission", &own, Default::default),
            }),
            limits: self.limits(&service.upstream),
            signal: states.keep("guard-signal", &own, Default::default),
            sheds: states.keep("guard-sheds", &own, Default::default),
        }
    }

    /// What a route says differently; none where it says nothing.
    pub(super) fn route_guard(
        &self,
        name: &str,
        route: &v1::Route,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Arc<RouteGuard>> {
        if route.breaker.is_none() && route.fallback.is_none() {
            return None;
        }
        let breaker = match &route.breaker {
            None => RouteBreaker::Inherited,
            Some(breaker) if breaker.off.unwrap_or(false) => RouteBreaker::Off,
            Some(breaker) => match breaker_settings(breaker, mistakes) {
                Some(settings) => {
                    RouteBreaker::Own(self.breaker(settings, &format!("route/{name}")))
                }
                None => RouteBreaker::Inherited,
            },
        };
        let fallback = route.fallback.as_ref();
        let fallback =
            fallback.and_then(|it| super::fallback::fallback(it, &route.service, mistakes));
        Some(Arc::new(RouteGuard {
            breaker,
            fallback: fallback.map(Arc::new),
        }))
    }

    fn breaker(
        &self,
        settings: BreakerSettings,
        name: &str,
    ) -> Arc<Kept<BreakerSettings, crate::guard::Breaker>> {
        let state = self
            .registry
            .states
            .keep(BREAKER, &name.into(), Default::default);
        Arc::new(Kept { settings, state })
    }

    fn limits(&self, upstream: &str) -> Option<Arc<Kept<LimitSettings, crate::guard::AtWork>>> {
        let held = self.set.held.get(&Key::new(Kind::Upstream, upstream))?;
        let Resource::Upstream(upstream) = &*held.resource else {
            return None;
        };
        let settings = limit_settings(upstream.limits.as_ref()?, &mut Vec::new());
        let name = upstream.name.as_str().into();
        let state = self
            .registry
            .states
            .keep("guard-limits", &name, Default::default);
        Some(Arc::new(Kept { settings, state }))
    }
}

/// Checks what a service says of its guard.
pub(super) fn check(service: &v1::Service, mistakes: &mut Vec<Mistake>) {
    if let Some(breaker) = &service.breaker {
        breaker_settings(breaker, mistakes);
        if breaker.off.is_some() {
            let reason = "is for routes; leave the breaker out instead";
            mistakes.push(Mistake::value("breaker.off", reason));
        }
    }
    if let Some(concurrency) = &service.concurrency {
        gradient_settings(concurrency, mistakes);
    }
    if let Some(admission) = &service.admission {
        admission_settings(admission, mistakes);
    }
}

/// None where it is off.
fn breaker_settings(breaker: &v1::Breaker, mistakes: &mut Vec<Mistake>) -> Option<BreakerSettings> {
    if breaker.off.unwrap_or(false) {
        return None;
    }
    let open_ms = breaker.open_ms.unwrap_or(5_000);
    let least_max = open_ms.min(MAX_MS);
    for (name, value, range) in [
        ("window_ms", breaker.window_ms, 1_000..=600_000),
        ("min_requests", breaker.min_requests, 1..=MAX_COUNT),
        ("error_percent", breaker.error_percent, 1..=100),
        ("slow_after_ms", breaker.slow_after_ms, 1..=MAX_MS),
        ("slow_percent", breaker.slow_percent, 1..=100),
        ("open_ms", breaker.open_ms, 100..=MAX_MS),
        ("max_open_ms", breaker.max_open_ms, least_max..=MAX_MS),
        ("probes", breaker.probes, 1..=1_000),
    ] {
        field::within(&format!("breaker.{name}"), value, range, mistakes);
    }
    if breaker.slow_percent.is_some() && breaker.slow_after_ms.is_none() {
        let reason = "needs `slow_after_ms`";
        mistakes.push(Mistake::value("breaker.slow_percent", reason));
    }
    let slow_percent = breaker.slow_percent.unwrap_or(80);
    let slow_after = breaker.slow_after_ms;
    Some(BreakerSettings {
        window: ms(breaker.window_ms.unwrap_or(10_000)),
        min_requests: breaker.min_requests.unwrap_or(20),
        error_percent: breaker.error_percent.unwrap_or(50),
        slow: slow_after.map(|after| (ms(after), slow_percent)),
        open: ms(open_ms),
        max_open: ms(breaker.max_open_ms.unwrap_or(open_ms.max(60_000))),
        probes: breaker.probes.unwrap_or(3),
    })
}

fn gradient_settings(
    concurrency: &v1::AdaptiveConcurrency,
    mistakes: &mut Vec<Mistake>,
) -> GradientSettings {
    const MOST: u32 = 100_000;
    let min_limit = concurrency.min_limit.unwrap_or(3);
    let max_limit = concurrency.max_limit.unwrap_or(min_limit.max(1_000));
    let max_range = min_limit.min(MOST)..=MOST;
    let initial_range = min_limit.min(MOST)..=max_limit.max(min_limit).min(MOST);
    for (name, value, range) in [
        ("min_limit", concurrency.min_limit, 1..=MOST),
        ("max_limit", concurrency.max_limit, max_range),
        ("initial_limit", concurrency.initial_limit, initial_range),
        ("buffer_percent", concurrency.buffer_percent, 0..=1_000),
        (
            "update_interval_ms",
            concurrency.update_interval_ms,
            10..=60_000,
        ),
        (
            "baseline_interval_ms",
            concurrency.baseline_interval_ms,
            1_000..=MAX_MS,
        ),
    ] {
        field::within(&format!("concurrency.{name}"), value, range, mistakes);
    }
    let baseline = Baseline::try_from(concurrency.baseline);
    if baseline.is_err() {
        let reason = format!("`{}` is not a way known here", concurrency.baseline);
        mistakes.push(Mistake::value("concurrency.baseline", reason));
    }
    GradientSettings {
        min_limit,
        max_limit: max_limit.max(min_limit),
        initial_limit: concurrency.initial_limit.unwrap_or(100),
        buffer_percent: concurrency.buffer_percent.unwrap_or(25),
        update_interval: ms(concurrency.update_interval_ms.unwrap_or(100)),
        baseline_interval: ms(concurrency.baseline_interval_ms.unwrap_or(60_000)),
        pinned: baseline == Ok(Baseline::Pinned),
    }
}

fn admission_settings(
    admission: &v1::AdmissionControl,
    mistakes: &mut Vec<Mistake>,
) -> AdmissionSettings {
    for (name, value, range) in [
        ("success_percent", admission.success_percent, 1..=100),
        ("aggression", admission.aggression, 1..=10),
        (
            "max_rejection_percent",
            admission.max_rejection_percent,
            1..=100,
        ),
        (
            "min_requests_per_second",
            admission.min_requests_per_second,
            0..=MAX_COUNT,
        ),
    ] {
        field::within(&format!("admission.{name}"), value, range, mistakes);
    }
    let share = |percent: Option<u32>, default: u32| f64::from(percent.unwrap_or(default)) / 100.0;
    AdmissionSettings {
        success_share: share(admission.success_percent, 95),
        aggression: f64::from(admission.aggression.unwrap_or(1)),
        max_share: share(admission.max_rejection_percent, 80),
        min_per_second: admission.min_requests_per_second.unwrap_or(0),
    }
}

/// Reads the limits of an upstream.
pub(super) fn limit_settings(
    limits: &v1::ConnectionLimits,
    mistakes: &mut Vec<Mistake>,
) -> LimitSettings {
    for (name, value, least) in [
        ("max_connections", limits.max_connections, 1),
        ("max_pending", limits.max_pending, 0),
        ("max_requests", limits.max_requests, 1),
        ("max_retries", limits.max_retries, 0),
        (
            "max_connections_per_target",
            limits.max_connections_per_target,
            1,
        ),
    ] {
        field::within(
            &format!("limits.{name}"),
            value,
            least..=MAX_COUNT,
            mistakes,
        );
    }
    LimitSettings {
        max_connections: limits.max_connections,
        max_pending: limits.max_pending,
        max_requests: limits.max_requests,
        max_retries: limits.max_retries,
        max_connections_per_target: limits.max_connections_per_target,
    }
}

fn ms(milliseconds: u32) -> Duration {
    Duration::from_millis(u64::from(milliseconds))
}

//! Retry policies, hedges and deadlines, of services and of routes.

use std::{sync::Arc, time::Duration};

use gatewright_proto::v1::{self, OtherTarget, RetryOn};
use http::{HeaderName, Method};

use super::{Mistake, field, pattern::Patterns, route::matching::value_rule};
use crate::{
    Overrides,
    retry::{Backoff, Budget, Conditions, DeadlineRule, Hedge, MAX_BODY_BYTES, RetryPolicy},
    route::HeaderRule,
};

const MAX_ATTEMPTS: u32 = 10;
const MAX_HEDGES: u32 = 5;
const MAX_KEPT_BYTES: u32 = 16 * 1024 * 1024;
/// Most entries of one list.
const MAX_ENTRIES: usize = 64;

const fn ms(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds as u64)
}

/// Zero is none.
fn limit(milliseconds: Option<u32>) -> Option<Duration> {
    milliseconds.filter(|it| *it > 0).map(ms)
}

/// What a route has instead of its service's; none where it has nothing.
pub(super) fn overrides(
    route: &v1::Route,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Arc<Overrides>> {
    let nothing = route.retry.is_none()
        && route.hedge.is_none()
        && route.deadline.is_none()
        && route.idle_timeout_ms.is_none()
        && route.max_stream_duration_ms.is_none();
    if nothing {
        return None;
    }
    if route.service.is_empty() && route.split.is_none() {
        let reason = "`retry`, `hedge`, `deadline`, `idle_timeout_ms` and `max_stream_duration_ms` belong to a `service`";
        mistakes.push(Mistake::value("service", reason));
    }
    let retry = route.retry.as_ref();
    let hedge = route.hedge.as_ref();
    let deadline = route.deadline.as_ref();
    Some(Arc::new(Overrides {
        retry: retry.map(|it| self::retry(it, patterns, mistakes)),
        hedge: hedge.map(|it| self::hedge(it, retry, mistakes)),
        deadline: deadline.map(|it| self::deadline(it, mistakes)),
        idle_timeout_ms: route.idle_timeout_ms,
        max_stream_duration_ms: route.max_stream_duration_ms,
    }))
}

/// A retry policy, in the field `retry`.
pub(super) fn retry(
    policy: &v1::RetryPolicy,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> RetryPolicy {
    let attempts = policy.attempts;
    field::within("retry.attempts", attempts, 0..=MAX_ATTEMPTS, mistakes);
    let kept = policy.max_body_bytes;
    field::within("retry.max_body_bytes", kept, 0..=MAX_KEPT_BYTES, mistakes);
    let other_target = OtherTarget::try_from(policy.other_target);
    if other_target.is_err() {
        let reason = format!("`{}` is not known here", policy.other_target);
        mistakes.push(Mistake::value("retry.other_target", reason));
    }
    let kept = kept.and_then(|bytes| usize::try_from(bytes).ok());
    let on = conditions(policy, mistakes);
    RetryPolicy {
        attempts: attempts.unwrap_or(1),
        on,
        per_try_timeout: limit(policy.per_try_timeout_ms),
        per_try_idle_timeout: limit(policy.per_try_idle_timeout_ms),
        backoff: backoff(policy.backoff.as_ref(), mistakes),
        statuses: statuses(policy, on, mistakes),
        headers: headers(policy, on, patterns, mistakes),
        methods: methods(&policy.methods, mistakes),
        max_body_bytes: kept.unwrap_or(MAX_BODY_BYTES),
        respect_retry_after: policy.respect_retry_after.unwrap_or(true),
        budget: budget(policy.budget.as_ref(), mistakes),
        other_target: other_target.unwrap_or_default(),
        attempt_count: policy.attempt_count.unwrap_or(false),
    }
}

fn conditions(policy: &v1::RetryPolicy, mistakes: &mut Vec<Mistake>) -> Conditions {
    if policy.on.is_empty() {
        return RetryPolicy::default().on;
    }
    let mut list = Vec::new();
    for (place, number) in policy.on.iter().enumerate() {
        match RetryOn::try_from(*number) {
            Ok(condition) => list.push(condition),
            Err(_) => {
                let reason = format!("`{number}` is not a condition known here");
                mistakes.push(Mistake::value(format!("retry.on[{place}]"), reason));
            }
        }
    }
    Conditions::of(&list)
}

fn backoff(backoff: Option<&v1::Backoff>, mistakes: &mut Vec<Mistake>) -> Backoff {
    let Some(backoff) = backoff else {
        return Backoff::default();
    };
    let (base, max) = (backoff.base_ms, backoff.max_ms);
    field::within("retry.backoff.base_ms", base, 1..=60_000, mistakes);
    field::within("retry.backoff.max_ms", max, 1..=300_000, mistakes);
    let mut compiled = base.map_or_else(Backoff::default, |base| Backoff::of(ms(base)));
    if let Some(max) = max.map(ms) {
        if max < compiled.base {
            let reason = "is below `base_ms`";
            mistakes.push(Mistake::value("retry.backoff.max_ms", reason));
        }
        compiled.max = max;
    }
    compiled
}

fn budget(budget: Option<&v1::RetryBudget>, mistakes: &mut Vec<Mistake>) -> Budget {
    let mut compiled = Budget::default();
    if let Some(budget) = budget {
        field::within("retry.budget.percent", budget.percent, 0..=100, mistakes);
        field::within("retry.budget.min", budget.min, 0..=65_535, mistakes);
        compiled.percent = budget.percent.unwrap_or(compiled.percent);
        compiled.min = budget.min.unwrap_or(compiled.min);
    }
    compiled
}

fn statuses(policy: &v1::RetryPolicy, on: Conditions, mistakes: &mut Vec<Mistake>) -> Box<[u16]> {
    listed(
        "statuses",
        policy.statuses.len(),
        on.has(RetryOn::Statuses),
        mistakes,
    );
    let mut statuses = Vec::new();
    for (place, status) in policy.statuses.iter().enumerate() {
        let at = format!("retry.statuses[{place}]");
        field::within(&at, Some(*status), 400..=599, mistakes);
        statuses.extend(u16::try_from(*status));
    }
    statuses.into()
}

fn headers(
    policy: &v1::RetryPolicy,
    on: Conditions,
    patterns: &mut Patterns<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Box<[HeaderRule]> {
    listed(
        "headers",
        policy.headers.len(),
        on.has(RetryOn::Headers),
        mistakes,
    );
    let mut headers = Vec::new();
    for (place, header) in policy.headers.iter().enumerate() {
        match (
            HeaderName::from_bytes(header.name.as_bytes()),
            value_rule(header, patterns),
        ) {
            (Ok(name), Ok(value)) => headers.push(HeaderRule { name, value }),
            (Err(_), _) => {
                let reason = format!("`{}` is not a header name", header.name);
                mistakes.push(Mistake::value(
                    format!("retry.headers[{place}].name"),
                    reason,
                ));
            }
            (_, Err(reason)) => {
                mistakes.push(Mistake::value(
                    format!("retry.headers[{place}].value"),
                    reason,
                ));
            }
        }
    }
    headers.into()
}

/// A list and its condition belong together: one without the other would do nothing.
fn listed(name: &str, entries: usize, is_on: bool, mistakes: &mut Vec<Mistake>) {
    let reason = match (entries, is_on) {
        (0, true) => format!("is empty, and `on` has `{name}`"),
        (1.., false) => format!("counts only with `{name}` in `on`"),
        (entries, _) if entries > MAX_ENTRIES => {
            format!("{entries} entries; at most {MAX_ENTRIES}")
        }
        _ => return,
    };
    mistakes.push(Mistake::value(format!("retry.{name}"), reason));
}

fn methods(list: &[String], mistakes: &mut Vec<Mistake>) -> Option<Box<[Method]>> {
    let mut methods = Vec::new();
    for (place, text) in list.iter().enumerate() {
        let upper = !text.bytes().any(|byte| byte.is_ascii_lowercase());
        match Method::from_bytes(text.as_bytes()) {
            Ok(method) if upper => methods.push(method),
            _ => {
                let reason = format!("`{text}` is not a method; as `GET`");
                mistakes.push(Mistake::value(format!("retry.methods[{place}]"), reason));
            }
        }
    }
    (!list.is_empty()).then(|| methods.into())
}

/// A hedge policy, in the field `hedge`, beside this retry policy.
pub(super) fn hedge(
    policy: &v1::HedgePolicy,
    retry: Option<&v1::RetryPolicy>,
    mistakes: &mut Vec<Mistake>,
) -> Hedge {
    field::within("hedge.attempts", policy.attempts, 1..=MAX_HEDGES, mistakes);
    let delay = policy.delay_ms.map(ms);
    let on_per_try_timeout = policy.on_per_try_timeout.unwrap_or(delay.is_none());
    let per_try = retry.and_then(|retry| limit(retry.per_try_timeout_ms));
    if delay.is_none() && (!on_per_try_timeout || per_try.is_none()) {
        let reason = "needs `delay_ms`, or `per_try_timeout_ms` in `retry` beside it";
        mistakes.push(Mistake::value("hedge", reason));
    }
    Hedge {
        attempts: policy.attempts.unwrap_or(1),
        delay,
        on_per_try_timeout,
    }
}

/// A deadline propagation, in the field `deadline`.
pub(super) fn deadline(
    rule: &v1::DeadlinePropagation,
    mistakes: &mut Vec<Mistake>,
) -> DeadlineRule {
    let name = (!rule.header.is_empty()).then(|| HeaderName::from_bytes(rule.header.as_bytes()));
    if let Some(Err(_)) = name {
        let reason = format!("`{}` is not a header name", rule.header);
        mistakes.push(Mistake::value("deadline.header", reason));
    }
    let grpc_timeout = rule.grpc_timeout.unwrap_or(true);
    if !grpc_timeout && rule.header.is_empty() {
        let reason = "needs `grpc_timeout` or a `header`";
        mistakes.push(Mistake::value("deadline", reason));
    }
    DeadlineRule {
        grpc_timeout,
        header: name.and_then(Result::ok),
        max: rule.max_ms.map(ms),
        offset: ms(rule.offset_ms.unwrap_or(0)),
        forward: rule.forward.unwrap_or(true),
    }
}

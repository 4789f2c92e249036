//! Where a rollout stands, as the admin API shows it.

use gatewright_proto::v1::Rollout;
use serde_json::{Value, json};

use super::{
    phase::{Phase, Wish},
    standing::Standing,
    tally::Tally,
};
use crate::store::ShownRollout;

/// Where a rollout stands.
pub(super) fn describe(rollout: &Rollout, shown: Option<&ShownRollout>) -> Value {
    let standing = Standing::read(shown.map_or("", |it| &it.body));
    let began = !matches!(standing.phase, Phase::Pending);
    let wish = shown.and_then(|it| Wish::read(&it.wish));
    let ends_ms = standing.step_ends_ms(rollout);
    json!({
        "name": rollout.name,
        "enabled": rollout.enabled.unwrap_or(true),
        "route": rollout.route,
        "baseline": rollout.baseline,
        "canary": rollout.canary,
        "phase": standing.phase,
        "reason": standing.reason,
        "since_ms": standing.since_ms,
        "percent": standing.form.percent(&rollout.canary),
        "step": if began { standing.step + 1 } else { 0 },
        "steps": rollout.steps.len(),
        "step_since_ms": standing.step_since_ms,
        "step_ends_ms": (standing.phase == Phase::Running).then_some(ends_ms),
        "analyses": standing.analyses,
        "analysed_ms": standing.analysed_ms,
        // Since the step began.
        "seen": {
            "canary": seen(&standing.whole.canary),
            "baseline": seen(&standing.whole.baseline),
        },
        // What a person wants and has not been done yet.
        "wish": wish.map(|it| it.action),
        "events": standing.events,
    })
}

fn seen(tally: &Tally) -> Value {
    json!({
        "requests": tally.requests,
        "errors": tally.errors,
        "error_percent": tally.error_percent(),
        "p99_ms": tally.p99_ms(),
    })
}

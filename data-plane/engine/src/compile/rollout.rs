//! Rollouts. Nodes only learn from them whose latencies to count; the control plane runs them.

use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
};

use gatewright_proto::{Kind, Resource, v1};

use super::{Compiler, Mistake, field};

const MAX_STEPS: usize = 50;
const WEEK_MS: u32 = 604_800_000;

impl Compiler<'_> {
    /// Checks rollouts. Returns the services that those in force compare.
    pub(super) fn rollouts(&mut self) -> HashSet<String> {
        let (mut compared, mut by_route) = (HashSet::new(), HashMap::new());
        for (key, held) in self.held(Kind::Rollout) {
            let Resource::Rollout(rollout) = &*held.resource else {
                continue;
            };
            let mut mistakes = Vec::new();
            names(rollout, &mut mistakes);
            steps(&rollout.steps, &mut mistakes);
            if let Some(analysis) = &rollout.analysis {
                self::analysis(analysis, &mut mistakes);
            }
            if let Some(other) = by_route.insert(&*rollout.route, &*key.name)
                && !rollout.route.is_empty()
            {
                let reason = format!("rollout `{other}` has this route already");
                mistakes.push(Mistake::new("route", "duplicate", reason));
            }
            self.add_all(key, mistakes);
            if !self.is_bad(key) && held.resource.enabled() {
                compared.extend([rollout.baseline.clone(), rollout.canary.clone()]);
            }
        }
        compared
    }
}

fn names(rollout: &v1::Rollout, mistakes: &mut Vec<Mistake>) {
    for (field, name) in [
        ("route", &rollout.route),
        ("baseline", &rollout.baseline),
        ("canary", &rollout.canary),
    ] {
        if name.is_empty() {
            mistakes.push(Mistake::required(field));
        }
    }
    if rollout.baseline == rollout.canary && !rollout.canary.is_empty() {
        let reason = "is the baseline; it must be another service";
        mistakes.push(Mistake::value("canary", reason));
    }
}

fn steps(steps: &[v1::RolloutStep], mistakes: &mut Vec<Mistake>) {
    if steps.is_empty() {
        mistakes.push(Mistake::required("steps"));
    }
    if steps.len() > MAX_STEPS {
        let reason = format!("{} steps; at most {MAX_STEPS}", steps.len());
        mistakes.push(Mistake::value("steps", reason));
    }
    let mut before = 0;
    for (place, step) in steps.iter().enumerate() {
        let at = |field: &str| format!("steps[{place}].{field}");
        let percent = Some(step.percent);
        field::within(&at("percent"), percent, 1..=99, mistakes);
        if step.percent <= before {
            let reason = format!("`{}` is not more than the step before", step.percent);
            mistakes.push(Mistake::value(at("percent"), reason));
        }
        before = step.percent;
        field::within(&at("for_ms"), step.for_ms, 1_000..=WEEK_MS, mistakes);
    }
}

fn analysis(analysis: &v1::RolloutAnalysis, mistakes: &mut Vec<Mistake>) {
    for (field, value, range) in [
        ("interval_ms", analysis.interval_ms, 1_000..=3_600_000),
        ("max_p99_ms", analysis.max_p99_ms, 1..=3_600_000),
        ("min_requests", analysis.min_requests, 1..=1_000_000_000),
        ("max_wait_ms", analysis.max_wait_ms, 0..=WEEK_MS),
    ] {
        field::within(&format!("analysis.{field}"), value, range, mistakes);
    }
    let (rate, increase) = (
        analysis.max_error_rate_percent,
        analysis.max_error_increase_percent,
    );
    share("max_error_rate_percent", rate, 0.0..=100.0, mistakes);
    share(
        "max_error_increase_percent",
        increase,
        0.0..=100.0,
        mistakes,
    );
    share(
        "max_p99_ratio",
        analysis.max_p99_ratio,
        1.0..=1000.0,
        mistakes,
    );
}

fn share(field: &str, value: Option<f64>, range: RangeInclusive<f64>, mistakes: &mut Vec<Mistake>) {
    // Not a number is not within anything.
    if let Some(value) = value.filter(|value| !range.contains(value)) {
        let reason = format!(
            "`{value}` is not within {} to {}",
            range.start(),
            range.end()
        );
        mistakes.push(Mistake::value(format!("analysis.{field}"), reason));
    }
}

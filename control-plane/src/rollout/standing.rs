//! Where a rollout stands: what control planes hand on to each other through the database.

use gatewright_proto::v1::Rollout;
use serde::{Deserialize, Serialize};

use super::{
    form::Form,
    limit::Limits,
    mark::Marks,
    phase::Phase,
    tally::{Pair, Tally},
};

/// How long a step takes that does not say, in milliseconds.
const DEFAULT_STEP_MS: u32 = 60_000;
/// When one that has ended is looked at again, in milliseconds. Who wants something of it wakes it.
const ENDED_MS: i64 = 3_600_000;
/// Shortest time between two looks, in milliseconds.
const SHORTEST_MS: i64 = 100;
/// Most events that are remembered.
const MAX_EVENTS: usize = 100;

/// Where a rollout stands. What another version has written is read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Standing {
    pub(super) phase: Phase,
    /// Why; for people.
    pub(super) reason: String,
    /// Since when, in Unix milliseconds.
    pub(super) since_ms: i64,
    /// The step that it is at, from 0.
    pub(super) step: usize,
    /// Since when, in Unix milliseconds.
    pub(super) step_since_ms: i64,
    /// How its route was.
    pub(super) original: Form,
    /// How its route is, as far as this rollout is concerned.
    pub(super) form: Form,
    /// What is about to be written. It may have been.
    pub(super) intent: Option<Intent>,
    /// How often it has been looked at what nodes tell.
    pub(super) analyses: u64,
    /// When last, in Unix milliseconds.
    pub(super) analysed_ms: i64,
    /// What was seen since the step began.
    pub(super) whole: Pair,
    /// What was seen since there were last enough requests to judge by.
    pub(super) recent: Pair,
    /// What was seen of the baseline since the rollout began.
    pub(super) before: Tally,
    pub(super) marks: Marks,
    /// What has happened, oldest first.
    pub(super) events: Vec<Event>,
}

/// A change of the route, and what becomes of the rollout by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Intent {
    pub(super) form: Form,
    pub(super) phase: Phase,
    pub(super) step: usize,
    /// Why; for people, and the revision's comment.
    pub(super) reason: String,
    /// Who wants it; empty: nobody but the rollout.
    pub(super) author: String,
}

/// Something that has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// When, in Unix milliseconds.
    pub(super) at_ms: i64,
    pub(super) phase: Phase,
    /// Share of the canary then, in percent.
    pub(super) percent: u32,
    pub(super) reason: String,
    /// The revision that it was; 0: none, or not known.
    pub(super) revision: u64,
}

impl Standing {
    /// Reads it from the database; the beginning where there is nothing to read.
    pub(super) fn read(body: &str) -> Self {
        if body.is_empty() {
            return Self::default();
        }
        serde_json::from_str(body).unwrap_or_else(|error| {
            tracing::warn!(%error, "where a rollout stands cannot be read; it begins anew");
            Self::default()
        })
    }

    /// For the database.
    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("names of fields and nodes are strings")
    }

    /// Moves to a phase.
    pub(super) fn enter(&mut self, phase: Phase, reason: String, (now_ms, percent): (i64, u32)) {
        (self.phase, self.since_ms) = (phase, now_ms);
        self.happened(reason, (now_ms, percent), 0);
    }

    /// What was intended has been done.
    pub(super) fn complete(
        &mut self,
        intent: Intent,
        (now_ms, percent): (i64, u32),
        revision: u64,
    ) {
        self.intent = None;
        (self.phase, self.since_ms) = (intent.phase, now_ms);
        (self.form, self.step) = (intent.form, intent.step);
        self.begin_step(now_ms);
        self.happened(intent.reason, (now_ms, percent), revision);
    }

    /// The step's time begins, and what was seen before it counts no longer.
    pub(super) fn begin_step(&mut self, now_ms: i64) {
        self.step_since_ms = now_ms;
        (self.whole, self.recent) = (Pair::default(), Pair::default());
    }

    fn happened(&mut self, reason: String, (at_ms, percent): (i64, u32), revision: u64) {
        self.reason.clone_from(&reason);
        self.events.push(Event {
            at_ms,
            phase: self.phase,
            percent,
            reason,
            revision,
        });
        let old = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..old);
    }

    /// In how many milliseconds it is to be looked at next.
    pub(super) fn next_ms(&self, rollout: &Rollout, now_ms: i64) -> i64 {
        let interval_ms = Limits::of(rollout).interval_ms;
        match self.phase {
            Phase::Running => {
                let left_ms = self.step_ends_ms(rollout).saturating_sub(now_ms);
                match left_ms > 0 {
                    true => interval_ms.min(left_ms.max(SHORTEST_MS)),
                    // It waits for requests.
                    false => interval_ms,
                }
            }
            Phase::Pending | Phase::Paused | Phase::Held => interval_ms,
            _ => ENDED_MS,
        }
    }

    /// When the present step ends, in Unix milliseconds.
    pub(super) fn step_ends_ms(&self, rollout: &Rollout) -> i64 {
        let step = rollout.steps.get(self.step);
        let for_ms = step.and_then(|it| it.for_ms).unwrap_or(DEFAULT_STEP_MS);
        self.step_since_ms.saturating_add(for_ms.into())
    }
}

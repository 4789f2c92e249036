//! What is to be done with a rollout, by what is seen of it. Decides and counts; never reads or writes anything.

use gatewright_proto::v1::{OnFailure, Rollout};

use super::{
    form::Form,
    limit::{Limits, Verdict},
    mark,
    phase::{Action, Phase, Wish},
    standing::{Intent, Standing},
    tally::Pair,
};
use crate::discovery::NodeView;

/// What is seen of a rollout.
#[derive(Clone, Debug)]
pub(super) struct Sight<'a> {
    pub(super) rollout: &'a Rollout,
    /// How its route is.
    pub(super) form: Form,
    /// Why its canary cannot answer at all.
    pub(super) broken: Option<String>,
    pub(super) nodes: &'a [NodeView],
    /// Now, by the database's clock, in Unix milliseconds.
    pub(super) now_ms: i64,
}

impl Sight<'_> {
    fn percent(&self, form: &Form) -> u32 {
        form.percent(&self.rollout.canary)
    }
}

impl Standing {
    /// Moves on. Returns what is to be done with the route first; it is carried out, or asked for again.
    pub(super) fn turn(&mut self, sight: &Sight<'_>, wish: Option<&Wish>) -> Option<Intent> {
        let percent = sight.percent(&self.form);
        if let Some(intent) = self.intent.take() {
            // Whoever had it before may have come to its end, or not.
            if sight.form == intent.form {
                let percent = sight.percent(&intent.form);
                self.complete(intent, (sight.now_ms, percent), 0);
                return None;
            }
            if sight.form == self.form {
                return Some(intent);
            }
            self.supersede(sight);
            return None;
        }
        if self.phase.is_under_way() && sight.form != self.form {
            self.supersede(sight);
            return None;
        }
        if let Some(wish) = wish.filter(|wish| self.phase.takes(wish.action)) {
            return self.heed(wish, sight, percent);
        }
        match self.phase {
            Phase::Pending => self.begin(sight),
            phase if phase.is_under_way() => self.watch(sight, percent),
            _ => None,
        }
    }

    /// Begins, where the route is one that it can begin with.
    fn begin(&mut self, sight: &Sight<'_>) -> Option<Intent> {
        let rollout = sight.rollout;
        let names = format!("`{}` and `{}`", rollout.baseline, rollout.canary);
        let first = rollout.steps.first()?;
        let obstacle = match &sight.form {
            Form::Service(service) if *service == rollout.baseline => None,
            Form::Split { .. } if sight.percent(&sight.form) < 100 => None,
            Form::Other => Some(format!(
                "route `{}` names neither `{}` nor a split of {names} alone",
                rollout.route, rollout.baseline
            )),
            _ => Some(format!("`{}` has all requests already", rollout.canary)),
        };
        if let Some(obstacle) = obstacle {
            self.reason = obstacle;
            return None;
        }
        self.original = sight.form.clone();
        self.form = sight.form.clone();
        self.marks.clear();
        mark::advance(&mut self.marks, sight.nodes, rollout, sight.now_ms);
        Some(self.at_step(0, first.percent, sight))
    }

    fn at_step(&self, step: usize, percent: u32, sight: &Sight<'_>) -> Intent {
        let of = sight.rollout.steps.len();
        Intent {
            form: self.original.with(percent, sight.rollout),
            phase: Phase::Running,
            step,
            reason: format!("step {} of {of}: {percent} %", step + 1),
            author: String::new(),
        }
    }

    /// Adds up what nodes have counted, and judges by it.
    fn watch(&mut self, sight: &Sight<'_>, percent: u32) -> Option<Intent> {
        let (rollout, now_ms) = (sight.rollout, sight.now_ms);
        let limits = Limits::of(rollout);
        let seen = mark::advance(&mut self.marks, sight.nodes, rollout, now_ms);
        for sum in [&mut self.whole, &mut self.recent] {
            sum.add(&seen);
        }
        self.before.add(&seen.baseline);
        (self.analyses, self.analysed_ms) = (self.analyses + 1, now_ms);
        let recent = limits.judge(&self.recent, &self.before);
        let whole = limits.judge(&self.whole, &self.before);
        if !matches!(recent, Verdict::Unknown(_)) {
            self.recent = Pair::default();
        }
        let bad = |verdict: &Verdict| match verdict {
            Verdict::Bad(reason) => Some(reason.clone()),
            _ => None,
        };
        let broken = sight.broken.clone();
        if let Some(reason) = broken.or_else(|| bad(&recent)).or_else(|| bad(&whole)) {
            return self.fail(&reason, sight, percent);
        }
        let over_ms = now_ms.saturating_sub(self.step_ends_ms(rollout));
        if self.phase != Phase::Running || over_ms < 0 {
            return None;
        }
        match whole {
            Verdict::Unknown(why) if over_ms >= limits.max_wait_ms => {
                self.enter(Phase::Held, why, (now_ms, percent));
                None
            }
            Verdict::Unknown(_) | Verdict::Bad(_) => None,
            Verdict::Good => Some(self.next(sight)),
        }
    }

    fn next(&self, sight: &Sight<'_>) -> Intent {
        let step = self.step + 1;
        match sight.rollout.steps.get(step) {
            Some(next) => self.at_step(step, next.percent, sight),
            None => self.end(
                Phase::Promoted,
                "all steps passed: promoted".to_owned(),
                sight,
            ),
        }
    }

    /// The canary does not live up to the baseline.
    fn fail(&mut self, reason: &str, sight: &Sight<'_>, percent: u32) -> Option<Intent> {
        match sight.rollout.on_failure() {
            OnFailure::Rollback => {
                let reason = format!("{reason}: rolled back");
                Some(self.end(Phase::RolledBack, reason, sight))
            }
            OnFailure::Hold => {
                if self.phase == Phase::Running {
                    let reason = format!("{reason}: held");
                    self.enter(Phase::Held, reason, (sight.now_ms, percent));
                }
                None
            }
        }
    }

    /// All requests to the canary, or none.
    fn end(&self, phase: Phase, reason: String, sight: &Sight<'_>) -> Intent {
        let percent = match phase {
            Phase::Promoted => 100,
            _ => 0,
        };
        Intent {
            form: self.original.with(percent, sight.rollout),
            phase,
            step: self.step,
            reason,
            author: String::new(),
        }
    }

    /// Does what a person wants.
    fn heed(&mut self, wish: &Wish, sight: &Sight<'_>, percent: u32) -> Option<Intent> {
        let at = (sight.now_ms, percent);
        let by = |intent: Intent| Intent {
            author: wish.author.clone(),
            ..intent
        };
        match wish.action {
            Action::Pause => {
                self.enter(Phase::Paused, wish.told("paused"), at);
                None
            }
            Action::Resume if self.phase.is_under_way() => {
                self.begin_step(sight.now_ms);
                self.enter(Phase::Running, wish.told("resumed"), at);
                None
            }
            Action::Resume => {
                let events = std::mem::take(&mut self.events);
                *self = Self {
                    events,
                    ..Self::default()
                };
                let percent = sight.percent(&sight.form);
                self.enter(
                    Phase::Pending,
                    wish.told("begun anew"),
                    (sight.now_ms, percent),
                );
                self.begin(sight).map(by)
            }
            Action::Promote => Some(by(self.end(Phase::Promoted, wish.told("promoted"), sight))),
            Action::Abort if self.phase == Phase::Pending => {
                self.enter(Phase::Aborted, wish.told("aborted"), at);
                None
            }
            Action::Abort => Some(by(self.end(Phase::Aborted, wish.told("aborted"), sight))),
        }
    }

    /// Somebody else has changed the route: what they want counts.
    fn supersede(&mut self, sight: &Sight<'_>) {
        let percent = sight.percent(&sight.form);
        let reason = format!(
            "somebody else changed the split of route `{}`",
            sight.rollout.route
        );
        self.form = sight.form.clone();
        self.enter(Phase::Superseded, reason, (sight.now_ms, percent));
    }
}

#[cfg(test)]
mod tests;

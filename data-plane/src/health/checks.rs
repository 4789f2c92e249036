//! Asks one target again and again, for as long as it is one and is to be asked.

use std::{
    borrow::Cow,
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use gatewright_engine::health::check::{Check, Judge, Seen, Verdict};
use tokio::{sync::watch, time::sleep};

use super::{Group, Health, Prober, Way, group::Targets, plan::Plan};
use crate::upstream::{Address, TargetState};

/// Asks one target.
pub(super) struct Asking {
    group: Weak<Group>,
    target: Weak<TargetState>,
    prober: Arc<Prober>,
    plan: watch::Receiver<Plan>,
}

/// What is asked this time.
struct Round {
    group: Arc<Group>,
    address: Arc<Address>,
    check: Arc<Check>,
    way: Way,
}

impl Asking {
    pub(super) fn new(group: &Arc<Group>, target: Weak<TargetState>, prober: &Arc<Prober>) -> Self {
        Self {
            group: Arc::downgrade(group),
            target,
            prober: Arc::clone(prober),
            plan: group.plan.subscribe(),
        }
    }

    /// Asks until the target has left or is not to be asked any more.
    pub(super) async fn run(mut self) {
        while let Some(round) = self.round() {
            let pause = round.ask(&self.prober).await;
            // While it waits, nothing is kept from being forgotten.
            drop(round);
            tokio::select! {
                () = sleep(pause) => {}
                changed = self.plan.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// None where it is over. That is decided while nobody else can begin to ask it.
    fn round(&mut self) -> Option<Round> {
        let (group, target) = (self.group.upgrade()?, self.target.upgrade()?);
        let targets = group.targets();
        let order = self.plan.borrow_and_update().order();
        let address = targets.as_ref().and_then(|it| it.find(&target.health));
        let (Some((check, way)), Some(address)) = (order, address) else {
            target.health.asked.store(false, Ordering::Relaxed);
            return None;
        };
        let address = Arc::clone(address);
        drop(targets);
        Some(Round {
            group,
            address,
            check,
            way,
        })
    }
}

impl Round {
    /// Asks once, and answers how long to wait for the next time.
    async fn ask(&self, prober: &Prober) -> Duration {
        let (answer, took) = prober.ask(&self.check, &self.way, &self.address).await;
        self.group.metrics.checked(answer.seen, took);
        let health = &self.address.state.health;
        let judge = self.group.judge(health, &self.check, answer);
        let traffic = self.group.plan.borrow().traffic;
        self.check.pauses.after(judge, traffic, rand::random())
    }
}

/// What a target said, and for people what was wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) seen: Seen,
    pub(super) reason: Cow<'static, str>,
}

impl Answer {
    pub(super) const PASS: Self = Self {
        seen: Seen::Pass,
        reason: Cow::Borrowed(""),
    };

    pub(super) fn failure(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            seen: Seen::Failure,
            reason: reason.into(),
        }
    }

    pub(super) fn unfit(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            seen: Seen::Unfit,
            reason: reason.into(),
        }
    }
}

impl Group {
    /// Takes note of what a target said.
    fn judge(&self, health: &Health, check: &Check, answer: Answer) -> Judge {
        let mut after = Judge::default();
        let Some(targets) = self.targets() else {
            return after;
        };
        let (mut changed, seen) = (false, answer.seen);
        health.change(|standing| {
            if seen != Seen::Pass {
                standing.reason = answer.reason;
            }
            // It may have stopped being asked in the meantime.
            if let Some(judge) = &mut standing.judge {
                changed = judge.see(seen, check.thresholds);
                after = *judge;
                standing.fresh = false;
            }
        });
        if changed {
            self.checked.notify_waiters();
            tell(&targets, health, after.verdict(), check);
        }
        let readmits = self.outlier().is_some_and(|it| it.readmit_by_check);
        if seen == Seen::Pass && readmits {
            self.readmit(&targets, health, Instant::now());
        }
        after
    }
}

fn tell(targets: &Targets<'_>, health: &Health, verdict: Verdict, check: &Check) {
    let Some(address) = targets.find(health) else {
        return;
    };
    let (upstream, kind) = (&targets.upstream, check.probe.as_str());
    match verdict {
        Verdict::Unhealthy => {
            let reason = &*health.standing().reason;
            tracing::warn!(%upstream, target_name = %address.target, address = %address.socket, check = kind, reason,
                "a target is unhealthy");
        }
        Verdict::Healthy | Verdict::Unknown => {
            tracing::info!(%upstream, target_name = %address.target, address = %address.socket, check = kind,
                "a target is healthy");
        }
    }
}

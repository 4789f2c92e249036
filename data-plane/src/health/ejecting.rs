//! Targets of an upstream are left out, and come back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::health::{
    ejection::Share,
    outlier::{Detector, Sign},
};

use super::{
    Health,
    group::{Group, Targets},
    standing::{Ejection, Trial},
};
use crate::upstream::Address;

impl Group {
    /// A request has failed.
    pub(super) fn failed(self: &Arc<Self>, health: &Health, sign: Sign, now: Instant) {
        let Some(outlier) = self.outlier() else {
            return;
        };
        let now_ms = self.milliseconds(now);
        if let Some(detector) = health.streaks.count(sign, &outlier.limits, now_ms)
            && health.usable()
            && let Some(targets) = self.targets()
        {
            self.eject(&targets, health, (detector, now));
            drop(targets);
            self.rouse();
        }
    }

    /// The one request that finds out how an ejected target is, is over.
    pub(super) fn tried(self: &Arc<Self>, health: &Health, sign: Option<Sign>, now: Instant) {
        let Some(targets) = self.targets() else {
            return;
        };
        let trial = health.standing().ejection.map(|it| it.trial);
        if trial != Some(Trial::Taken) {
            // One of those that were on their way when it was ejected.
            return;
        }
        match sign {
            Some(Sign::Success) => self.readmit(&targets, health, now),
            Some(_) => self.eject(&targets, health, (Detector::Probe, now)),
            None => {
                health.change(|standing| {
                    if let Some(ejection) = &mut standing.ejection {
                        ejection.trial = Trial::Open;
                    }
                });
            }
        }
        drop(targets);
        self.rouse();
    }

    /// Leaves a target out, if it can be spared.
    pub(super) fn eject(
        &self,
        targets: &Targets<'_>,
        health: &Health,
        (detector, now): (Detector, Instant),
    ) {
        let Some(outlier) = self.outlier() else {
            return;
        };
        let Some(address) = targets.find(health) else {
            return;
        };
        let tried = detector == Detector::Probe;
        if health.standing().ejection.is_some() != tried {
            return;
        }
        health.forget();
        if !tried && !outlier.terms.allow(share(targets)) {
            self.metrics.spared();
            tracing::debug!(upstream = %targets.upstream, target_name = %address.target, address = %address.socket,
                detector = detector.as_str(), "a target fails, but cannot be spared");
            return;
        }
        let mut long = Duration::ZERO;
        health.change(|standing| {
            long = standing.record.eject(now, &outlier.terms, rand::random());
            standing.ejection = Some(Ejection {
                detector,
                until: now + long,
                trial: Trial::No,
            });
        });
        self.metrics.ejected(detector);
        tracing::warn!(upstream = %targets.upstream, target_name = %address.target, address = %address.socket,
            detector = detector.as_str(), seconds = long.as_secs_f64(), "ejected a target");
    }

    /// Ends an ejection.
    pub(super) fn readmit(&self, targets: &Targets<'_>, health: &Health, now: Instant) {
        if health.standing().ejection.is_none() {
            return;
        }
        health.forget();
        health.change(|standing| {
            standing.ejection = None;
            standing.record.readmit(now);
        });
        if let Some(address) = targets.find(health) {
            tracing::info!(upstream = %targets.upstream, target_name = %address.target, address = %address.socket,
                "a target is back");
        }
    }
}

fn share(targets: &Targets<'_>) -> Share {
    let hosts = || targets.addresses.iter().filter(|it| it.weight > 0);
    let is_ejected = |it: &&Arc<Address>| it.state.health.standing().ejection.is_some();
    Share {
        hosts: hosts().count(),
        ejected: hosts().filter(is_ejected).count(),
        usable: hosts().filter(|it| it.state.health.usable()).count(),
    }
}

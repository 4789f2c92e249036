//! The health of one target: what every request to it reads and counts.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use gatewright_engine::{
    health::{outlier::Sign, rate::Tally, streak::Streaks},
    outcome::Outcome,
};

use super::{
    group::{Group, Watched},
    standing::{Standing, Told, Trial},
};

/// The health of one target.
#[derive(Debug)]
pub(crate) struct Health {
    usable: AtomicBool,
    /// Whether the next request is the one that finds out how an ejected target is.
    trial_open: AtomicBool,
    /// Whether such a request is on its way, or may be.
    on_trial: AtomicBool,
    /// Whether it has had a request.
    served: AtomicBool,
    /// Whether somebody asks it.
    pub(super) asked: AtomicBool,
    pub(super) streaks: Streaks,
    pub(super) tally: Tally,
    standing: Mutex<Standing>,
    /// Its upstream.
    group: Arc<Group>,
    /// Of the upstream: how often any of its targets has changed. Balancers look again at who can be used
    /// when it goes up, and not with every request.
    changes: Arc<AtomicU64>,
}

impl Health {
    /// Usable, of this upstream, with its count of changes.
    pub(crate) fn new(changes: Arc<AtomicU64>, group: Arc<Group>) -> Self {
        Self {
            usable: AtomicBool::new(true),
            trial_open: AtomicBool::new(false),
            on_trial: AtomicBool::new(false),
            served: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            streaks: Streaks::default(),
            tally: Tally::default(),
            standing: Mutex::default(),
            group,
            changes,
        }
    }

    /// Whether requests may be sent to it.
    pub(crate) fn usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// A request is about to be sent to it.
    pub(crate) fn begin(&self) {
        if self.trial_open.load(Ordering::Relaxed) && self.trial_open.swap(false, Ordering::Relaxed)
        {
            self.change(|standing| {
                if let Some(ejection) = &mut standing.ejection {
                    ejection.trial = Trial::Taken;
                }
            });
        }
    }

    /// Learns from what became of an attempt.
    pub(crate) fn finish(&self, outcome: &Outcome, now: Instant) {
        let watched = self.group.watched();
        if !self.served.load(Ordering::Relaxed) {
            self.served.store(true, Ordering::Relaxed);
            self.group.has_traffic();
        }
        if watched == Watched::NOT {
            return;
        }
        let sign = Sign::of(outcome);
        if self.on_trial.load(Ordering::Relaxed) {
            return self.group.tried(self, sign, now);
        }
        let Some(sign) = sign else { return };
        if watched == Watched::RATES {
            self.tally.count(sign != Sign::Success);
        }
        if sign == Sign::Success {
            self.streaks.succeeded();
        } else {
            self.group.failed(self, sign, now);
        }
    }

    /// What is told of it.
    pub(crate) fn told(&self) -> Told {
        self.standing().told()
    }

    /// Looks at what is known.
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and lets it be felt. True where it can be used now and could not before, or the reverse.
    pub(super) fn change(&self, change: impl FnOnce(&mut Standing)) -> bool {
        let mut standing = self.standing();
        change(&mut standing);
        let trial = standing.ejection.map_or(Trial::No, |it| it.trial);
        let open = trial == Trial::Open;
        self.trial_open.store(open, Ordering::Relaxed);
        self.on_trial.store(trial != Trial::No, Ordering::Relaxed);
        let usable = standing.usable();
        let changed = self.usable.swap(usable, Ordering::Relaxed) != usable;
        if changed {
            standing.since = Some(SystemTime::now());
            // After the flag, so that who sees the new count sees the flag.
            self.changes.fetch_add(1, Ordering::Release);
        }
        changed
    }

    /// Forgets what was counted: it begins anew.
    pub(super) fn forget(&self) {
        self.streaks.clear();
        self.tally.take();
        self.standing().window.clear();
    }
}

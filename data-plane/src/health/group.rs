//! The health of an upstream's targets together: how many may be left out, and who asks them.

use std::{
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;
use gatewright_engine::health::{
    HealthSpec,
    check::{Judge, Verdict},
    outlier::OutlierDetection,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, futures::Notified, watch},
};

use super::{Condition, Health, Prober, Way, checks, keeper, plan::Plan};
use crate::{
    telemetry::HealthMetrics,
    upstream::{Address, LiveUpstream},
};

/// What requests of an upstream are to count.
pub(super) struct Watched;

impl Watched {
    /// Nothing.
    pub(super) const NOT: u8 = 0;
    /// Failures.
    pub(super) const FAILURES: u8 = 1;
    /// Failures, and all.
    pub(super) const RATES: u8 = 2;
}

/// An upstream: kept by its name, as its targets' health is.
#[derive(Debug)]
pub(crate) struct Group {
    watched: AtomicU8,
    outlier: ArcSwapOption<OutlierDetection>,
    traffic: AtomicBool,
    /// Whether ejections and rates are being looked after.
    kept: AtomicBool,
    pub(super) wake: Notify,
    /// Tells that targets wait no longer for their first check.
    pub(super) checked: Notify,
    /// The upstream as it is at work; locked while something is decided about its targets together.
    live: Mutex<Weak<LiveUpstream>>,
    pub(super) plan: watch::Sender<Plan>,
    /// The control runtime, and who asks there.
    control: OnceLock<(Handle, Arc<Prober>)>,
    /// What times of failures are counted from.
    origin: Instant,
    pub(crate) metrics: HealthMetrics,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            watched: AtomicU8::new(Watched::NOT),
            outlier: ArcSwapOption::empty(),
            traffic: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            wake: Notify::new(),
            checked: Notify::new(),
            live: Mutex::default(),
            plan: watch::Sender::new(Plan::default()),
            control: OnceLock::new(),
            origin: Instant::now(),
            metrics: HealthMetrics::default(),
        }
    }
}

/// The targets of an upstream, while something is decided about them together.
pub(super) struct Targets<'a> {
    _held: MutexGuard<'a, Weak<LiveUpstream>>,
    pub(super) upstream: Arc<str>,
    pub(super) addresses: Arc<Vec<Arc<Address>>>,
}

impl Targets<'_> {
    /// The address whose health this is; none where it has left.
    pub(super) fn find(&self, health: &Health) -> Option<&Arc<Address>> {
        let mut all = self.addresses.iter();
        all.find(|it| ptr::eq(&it.state.health, health))
    }
}

impl Group {
    /// The upstream is at work in this form from now on. Called on the control runtime.
    pub(crate) fn begin(self: &Arc<Self>, live: &Arc<LiveUpstream>, spec: &HealthSpec) {
        let outlier = spec.outlier.clone().map(Arc::new);
        let watched = match &outlier {
            None => Watched::NOT,
            Some(outlier) if outlier.counts_rates() => Watched::RATES,
            Some(_) => Watched::FAILURES,
        };
        self.outlier.store(outlier);
        self.watched.store(watched, Ordering::Relaxed);
        *self.lock() = Arc::downgrade(live);
        let check = spec.check.clone().map(Arc::new);
        self.plan.send_if_modified(|plan| {
            let changed = plan.check != check;
            if changed {
                plan.check = check;
            }
            changed
        });
        self.refresh();
        // Ejections end where they are not wanted any more, and rates begin to be looked at.
        if watched != Watched::FAILURES {
            self.rouse();
        }
    }

    /// Says how to get to the targets, and who asks them.
    pub(crate) fn lead(self: &Arc<Self>, way: Way, prober: &Arc<Prober>) {
        if let Ok(handle) = Handle::try_current() {
            self.control.get_or_init(|| (handle, Arc::clone(prober)));
        }
        let changed = self.plan.send_if_modified(|plan| {
            let changed = plan.way.as_ref() != Some(&way);
            if changed {
                plan.way = Some(way);
            }
            changed
        });
        if changed {
            self.refresh();
            self.rouse();
        }
    }

    /// Looks at which addresses there are, after that has changed: all are asked, where any are.
    pub(crate) fn refresh(self: &Arc<Self>) {
        let (check, ready) = {
            let plan = self.plan.borrow();
            (plan.check.clone(), plan.order().is_some())
        };
        let Some(targets) = self.targets() else {
            return;
        };
        for address in targets.addresses.iter() {
            let health = &address.state.health;
            if check.is_some() && health.standing().judge.is_none() {
                health.change(|it| it.judge = Some(Judge::new(Verdict::Unknown)));
            } else if check.is_none() {
                health.change(|it| (it.judge, it.fresh) = (None, false));
            }
            let Some((control, prober)) = self.control.get().filter(|_| ready) else {
                continue;
            };
            if !health.asked.swap(true, Ordering::Relaxed) {
                let target = Arc::downgrade(&address.state);
                let asking = checks::Asking::new(self, target, prober);
                control.spawn(asking.run());
            }
        }
        drop(targets);
        self.checked.notify_waiters();
    }

    /// What requests are to count: one of [`Watched`].
    pub(super) fn watched(&self) -> u8 {
        self.watched.load(Ordering::Relaxed)
    }

    /// The upstream has had a request.
    pub(super) fn has_traffic(&self) {
        if !self.traffic.swap(true, Ordering::Relaxed) {
            self.plan.send_modify(|plan| plan.traffic = true);
        }
    }

    /// A point in time, in milliseconds since the upstream is known.
    pub(super) fn milliseconds(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    /// How its targets are found to be failing.
    pub(super) fn outlier(&self) -> Option<Arc<OutlierDetection>> {
        self.outlier.load_full()
    }

    /// How many targets are in which condition, in the order of [`Condition::ALL`].
    pub(crate) fn census(&self) -> [u64; Condition::ALL.len()] {
        let mut counts = [0; Condition::ALL.len()];
        if let Some(targets) = self.targets() {
            for address in targets.addresses.iter() {
                let condition = address.state.health.standing().condition();
                counts[condition as usize] += 1;
            }
        }
        counts
    }

    /// Whether a target waits for its first check.
    pub(crate) fn is_warming(&self) -> bool {
        let asked = self.plan.borrow().check.is_some();
        asked && self.census()[Condition::Unknown as usize] > 0
    }

    /// Resolves when a target has been checked for the first time, or has left.
    pub(crate) fn checked(&self) -> Notified<'_> {
        self.checked.notified()
    }

    /// Whether anything is known of its targets that is worth a metric.
    pub(crate) fn is_watched(&self) -> bool {
        let asked = self.plan.borrow().check.is_some();
        asked || self.targets().is_some_and(|it| it.addresses.len() > 1)
    }

    /// Its targets as they are now, until dropped nobody else decides about them.
    pub(super) fn targets(&self) -> Option<Targets<'_>> {
        let guard = self.lock();
        let live = guard.upgrade()?;
        Some(Targets {
            upstream: Arc::clone(live.name()),
            addresses: live.addresses(),
            _held: guard,
        })
    }

    /// Sees to it that ejections end and rates are looked at.
    pub(super) fn rouse(self: &Arc<Self>) {
        let Some((control, _)) = self.control.get() else {
            return;
        };
        match self.kept.swap(true, Ordering::AcqRel) {
            true => self.wake.notify_one(),
            false => drop(control.spawn(keeper::keep(Arc::downgrade(self)))),
        }
    }

    /// Nothing is to be looked after any more. Called with the targets held, as ejections are.
    pub(super) fn unkept(&self, _targets: Option<&Targets<'_>>) {
        self.kept.store(false, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Weak<LiveUpstream>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The circuit breaker: closed, open, half-open.
//!
//! Closed, it counts failures and slow requests over exact windows and opens where one of both shares is too
//! large. Open, it refuses for a time that doubles as long as probes fail. Half-open, it lets a few probes through: all
//! must succeed for it to close, one failure opens it again. Requests that began before the last change
//! say nothing about now and are not counted.

mod phase;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Moment, window::Window};
pub use phase::{Change, Phase};
pub use settings::BreakerSettings;

/// Longest open time is at most this many doublings.
const MAX_DOUBLINGS: u32 = 30;
/// Share of the open time that is added at random, at most.
const JITTER: f64 = 0.2;
/// While probes are out, whom to tell to come back when.
const PROBING: Duration = Duration::from_secs(1);

/// That a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When it may be worth to come back.
    pub retry_after: Duration,
}

/// That a request passes. To be given back with what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    probe: bool,
    /// Which time between two changes it belongs to.
    generation: u32,
}

impl Pass {
    /// Whether it is a probe.
    pub const fn is_probe(self) -> bool {
        self.probe
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it failed.
    pub failed: bool,
    /// How long it took.
    pub took: Duration,
}

/// A breaker's state. It outlives changes of its settings.
#[derive(Debug)]
pub struct Breaker {
    phase: AtomicU32,
    generation: AtomicU32,
    opened: AtomicU64,
    errors: Window,
    slow: Window,
    machine: Mutex<Machine>,
}

/// What only changes of the phase and probes look at.
#[derive(Debug, Default)]
struct Machine {
    /// When it is open no longer.
    open_until: Duration,
    /// When it closed last.
    closed_at: Duration,
    /// How often it opened in a row.
    trips: u32,
    probing: u32,
    succeeded: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let length = Duration::from_secs(10);
        Self {
            phase: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            opened: AtomicU64::new(0),
            errors: Window::new(length),
            slow: Window::new(length),
            machine: Mutex::default(),
        }
    }
}

impl Breaker {
    /// Whether requests pass.
    pub fn phase(&self) -> Phase {
        Phase::of(self.phase.load(Ordering::Acquire))
    }

    /// How often it has opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Whether a request passes. Where it is the first after the open time, the phase changes.
    ///
    /// # Errors
    /// It does not.
    pub fn enter(
        &self,
        settings: &BreakerSettings,
        now: Duration,
    ) -> Result<(Pass, Option<Change>), Refused> {
        self.errors.fit(settings.window);
        self.slow.fit(settings.window);
        let generation = self.generation.load(Ordering::Acquire);
        if self.phase() == Phase::Closed {
            let probe = false;
            return Ok((Pass { probe, generation }, None));
        }
        let mut machine = self.machine();
        let mut change = None;
        if self.phase() == Phase::Open {
            if now < machine.open_until {
                let retry_after = machine.open_until - now;
                return Err(Refused { retry_after });
            }
            change = Some(self.turn(&mut machine, Phase::HalfOpen));
        }
        // Another request may have closed it in the meantime.
        let probe = self.phase() == Phase::HalfOpen;
        if probe {
            if machine.probing + machine.succeeded >= settings.probes {
                return Err(Refused {
                    retry_after: PROBING,
                });
            }
            machine.probing += 1;
        }
        let generation = self.generation.load(Ordering::Acquire);
        Ok((Pass { probe, generation }, change))
    }

    /// Takes in what became of a request that passed; none where that says nothing of the service.
    pub fn finish(
        &self,
        settings: &BreakerSettings,
        pass: Pass,
        judged: Option<Judged>,
        moment: Moment,
    ) -> Option<Change> {
        let slow = |judged: &Judged| settings.slow.is_some_and(|(from, _)| judged.took >= from);
        if pass.probe {
            let mut machine = self.machine();
            // The lock is held by whoever changes the generation.
            if self.generation.load(Ordering::Acquire) != pass.generation {
                return None;
            }
            machine.probing = machine.probing.saturating_sub(1);
            let judged = judged?;
            if judged.failed || slow(&judged) {
                return Some(self.open(&mut machine, settings, moment));
            }
            machine.succeeded += 1;
            return (machine.succeeded >= settings.probes)
                .then(|| self.close(&mut machine, moment.now));
        }
        let judged = judged?;
        if self.generation.load(Ordering::Acquire) != pass.generation {
            return None;
        }
        let slow = slow(&judged);
        self.errors.record(judged.failed, moment.now);
        if settings.slow.is_some() {
            self.slow.record(slow, moment.now);
        }
        // A good one cannot make it open.
        if !(judged.failed || slow) || !self.is_over(settings, moment.now) {
            return None;
        }
        let mut machine = self.machine();
        let still = self.phase() == Phase::Closed
            && self.generation.load(Ordering::Acquire) == pass.generation;
        still.then(|| self.open(&mut machine, settings, moment))
    }

    fn is_over(&self, settings: &BreakerSettings, now: Duration) -> bool {
        let enough = u64::from(settings.min_requests);
        let errors = self.errors.count(now);
        if errors.total >= enough && errors.reaches(settings.error_percent) {
            return true;
        }
        let Some((_, percent)) = settings.slow else {
            return false;
        };
        let slow = self.slow.count(now);
        slow.total >= enough && slow.reaches(percent)
    }

    fn open(&self, machine: &mut Machine, settings: &BreakerSettings, moment: Moment) -> Change {
        // Having been closed for a while, it begins with the short time again.
        let fresh = self.phase() == Phase::Closed
            && moment.now.saturating_sub(machine.closed_at) >= settings.window;
        machine.trips = if fresh { 1 } else { machine.trips + 1 };
        let doublings = (machine.trips - 1).min(MAX_DOUBLINGS);
        let time = settings.open.saturating_mul(1 << doublings);
        let time = time.min(settings.max_open);
        let time = time.mul_f64(1.0 + JITTER * moment.random.clamp(0.0, 1.0));
        machine.open_until = moment.now + time;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Change {
            open_for: Some(time),
            ..self.turn(machine, Phase::Open)
        }
    }

    fn close(&self, machine: &mut Machine, now: Duration) -> Change {
        machine.closed_at = now;
        self.turn(machine, Phase::Closed)
    }

    /// Changes the phase; what was counted belongs to the one before.
    fn turn(&self, machine: &mut Machine, to: Phase) -> Change {
        let from = self.phase();
        (machine.probing, machine.succeeded) = (0, 0);
        self.errors.clear();
        self.slow.clear();
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.phase.store(to as u32, Ordering::Release);
        Change {
            from,
            to,
            open_for: None,
        }
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

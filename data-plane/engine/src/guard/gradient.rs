//! A limit on requests in flight that is found from latencies.
//!
//! While the median latency of a short window is what it is without load (give or take a buffer), the limit grows; it
//! shrinks in proportion as latency grows, because then requests wait. The growth by a square root lets short queues
//! form, so that the limit finds more capacity where there is.
//!
//! What latency is without load is measured from the traffic: the smallest median since the last measurement, and
//! where the limit has been reached all the while, a few requests at half the limit. Pinning the limit to its
//! minimum for that, as others do, refuses most requests each time; it is there for who wants it.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Moment, latency::Latencies};

/// Requests that a measurement of the undisturbed latency takes.
const MEASURED: u32 = 50;
/// Longest time that one takes.
const MEASURING: Duration = Duration::from_secs(1);
/// Requests that a window should have. One that has fewer lasts longer, up to ten times.
const ENOUGH: u32 = 10;
const MAX_WINDOWS: u32 = 10;
/// Windows at the smallest limit after which the undisturbed latency is measured anew.
const AT_MINIMUM: u32 = 5;
/// Share of the interval between measurements that is added at random, at most.
const JITTER: f64 = 0.15;

/// How the limit is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradientSettings {
    /// Smallest limit.
    pub min_limit: u32,
    /// Largest limit.
    pub max_limit: u32,
    /// The limit to begin with.
    pub initial_limit: u32,
    /// How much slower than undisturbed is still good, in percent.
    pub buffer_percent: u32,
    /// Length of a window.
    pub update_interval: Duration,
    /// Time between measurements of the undisturbed latency.
    pub baseline_interval: Duration,
    /// Whether these are made at the smallest limit.
    pub pinned: bool,
}

/// The limit after a window with this median latency.
pub fn next_limit(
    settings: &GradientSettings,
    limit: u32,
    undisturbed: Duration,
    median: Duration,
) -> u32 {
    let tolerated = undisturbed.as_secs_f64() * (1.0 + f64::from(settings.buffer_percent) / 100.0);
    let gradient = (tolerated / median.as_secs_f64().max(1e-9)).clamp(0.5, 2.0);
    let scaled = gradient * f64::from(limit);
    let next = (scaled + scaled.sqrt()).floor() as u32;
    next.clamp(settings.min_limit, settings.max_limit)
}

/// The state of such a limit. It outlives changes of its settings.
#[derive(Debug, Default)]
pub struct Gradient {
    in_flight: AtomicU32,
    /// Most at a time in this window.
    peak: AtomicU32,
    /// 0 before the first request.
    limit: AtomicU32,
    /// When the window ends, in microseconds.
    window_ends: AtomicU64,
    /// When a measurement began, in microseconds; 0 while there is none. Requests from before it do not count.
    measuring: AtomicU64,
    samples: Latencies,
    machine: Mutex<Machine>,
}

/// What only the end of a window looks at.
#[derive(Debug, Default)]
struct Machine {
    window_began: Duration,
    undisturbed: Option<Duration>,
    /// Smallest median since the last measurement.
    smallest: Option<Duration>,
    measure_at: Duration,
    at_minimum: u32,
    /// The limit from before a measurement.
    before: u32,
}

impl Gradient {
    /// The present limit; 0 before the first request.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What latency is without load, as far as is known.
    pub fn undisturbed(&self) -> Option<Duration> {
        self.machine.lock().ok()?.undisturbed
    }

    /// Takes a place for a request, if there is one. To be given back with [`Gradient::leave`].
    pub fn enter(&self, settings: &GradientSettings) -> bool {
        let mut limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            limit = settings.initial_limit;
            self.limit.store(limit, Ordering::Relaxed);
        }
        let limit = limit.clamp(settings.min_limit, settings.max_limit);
        let more = |present| (present < limit).then_some(present + 1);
        let taken = self
            .in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let reached = taken.map_or(limit, |before| before + 1);
        self.peak.fetch_max(reached, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Gives a place back.
    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes in how long a request took that has ended now.
    pub fn sample(&self, settings: &GradientSettings, took: Duration, moment: Moment) {
        let now = moment.now.as_micros() as u64;
        let began = now.saturating_sub(took.as_micros() as u64);
        if began >= self.measuring.load(Ordering::Relaxed) {
            self.samples.record(took);
        }
        if now >= self.window_ends.load(Ordering::Relaxed)
            && let Ok(mut machine) = self.machine.try_lock()
            && now >= self.window_ends.load(Ordering::Relaxed)
        {
            self.end_window(settings, &mut machine, moment);
            let ends = moment.now + settings.update_interval;
            self.window_ends
                .store(ends.as_micros() as u64, Ordering::Relaxed);
        }
    }

    fn end_window(&self, settings: &GradientSettings, machine: &mut Machine, moment: Moment) {
        let (count, now) = (self.samples.count(), moment.now);
        let began = Duration::from_micros(self.measuring.load(Ordering::Relaxed));
        if !began.is_zero() {
            if count >= MEASURED || now >= began + MEASURING {
                self.measured(settings, machine, moment);
            }
            return;
        }
        let age = now.saturating_sub(machine.window_began);
        if count < ENOUGH && age < settings.update_interval * MAX_WINDOWS {
            return;
        }
        machine.window_began = now;
        let reached = self
            .peak
            .swap(self.in_flight.load(Ordering::Relaxed), Ordering::Relaxed);
        let Some(median) = self.samples.take_median() else {
            return;
        };
        let limit = self.limit.load(Ordering::Relaxed);
        let Some(undisturbed) = machine.undisturbed else {
            machine.undisturbed = Some(median);
            machine.smallest = Some(median);
            self.plan(settings, machine, moment);
            return;
        };
        let undisturbed = undisturbed.min(median);
        machine.undisturbed = Some(undisturbed);
        machine.smallest = Some(machine.smallest.map_or(median, |it| it.min(median)));
        let next = next_limit(settings, limit, undisturbed, median);
        // What is not used does not show what would be too much.
        let unused = next > limit && reached < limit.div_ceil(2);
        let next = if unused { limit } else { next };
        self.limit.store(next, Ordering::Relaxed);
        machine.at_minimum = match next == settings.min_limit {
            true => machine.at_minimum + 1,
            false => 0,
        };
        if now >= machine.measure_at || machine.at_minimum >= AT_MINIMUM {
            self.measure(settings, machine, (reached >= limit, moment));
        }
    }

    /// Measures what latency is without load: from what there has been, or at a lower limit.
    fn measure(
        &self,
        settings: &GradientSettings,
        machine: &mut Machine,
        (reached, moment): (bool, Moment),
    ) {
        if !reached && !settings.pinned {
            machine.undisturbed = machine.smallest.take();
            self.plan(settings, machine, moment);
            return;
        }
        let limit = self.limit.load(Ordering::Relaxed);
        machine.before = limit;
        let lower = if settings.pinned { 0 } else { limit / 2 };
        self.limit
            .store(lower.max(settings.min_limit), Ordering::Relaxed);
        let now = moment.now.as_micros() as u64;
        self.measuring.store(now.max(1), Ordering::Relaxed);
    }

    fn measured(&self, settings: &GradientSettings, machine: &mut Machine, moment: Moment) {
        if let Some(median) = self.samples.take_median() {
            machine.undisturbed = Some(median);
        }
        machine.smallest = None;
        machine.window_began = moment.now;
        self.measuring.store(0, Ordering::Relaxed);
        self.limit.store(machine.before, Ordering::Relaxed);
        self.plan(settings, machine, moment);
    }

    fn plan(&self, settings: &GradientSettings, machine: &mut Machine, moment: Moment) {
        let spread = 1.0 + JITTER * moment.random.clamp(0.0, 1.0);
        machine.measure_at = moment.now + settings.baseline_interval.mul_f64(spread);
        machine.at_minimum = 0;
    }
}

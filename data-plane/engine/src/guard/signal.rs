//! How a service is doing, for policies that go by it: written by the node from what becomes of requests,
//! read by plugins. Nothing is tracked before somebody has asked.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{latency::Latencies, window::Window};

/// Length of the window of failures.
const WINDOW: Duration = Duration::from_secs(10);
/// How often what is read is brought up to date.
const UPDATE: Duration = Duration::from_millis(500);
/// Answers that a median is taken of, at least.
const ENOUGH: u32 = 5;
/// Fewest requests in the window that a share of failures is taken of.
const MIN_REQUESTS: u64 = 5;
/// Share of the difference by which the usual latency rises in an update: it forgets in five minutes.
const RISE: u64 = 600;

/// How a service is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    /// Share of failures in the last 10 seconds, 0 to 1.
    pub errors: f64,
    /// The present median latency over the usual one; 1 where nothing is known.
    pub latency: f64,
    /// Share of the targets that are not used because they are ill, 0 to 1.
    pub ejected: f64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            errors: 0.0,
            latency: 1.0,
            ejected: 0.0,
        }
    }
}

/// What is known of a service. It outlives configurations.
#[derive(Debug, Default)]
pub struct HealthSignal(OnceLock<Box<Tracked>>);

#[derive(Debug)]
struct Tracked {
    failures: Window,
    latencies: Latencies,
    usual_us: AtomicU64,
    next_update_ms: AtomicU64,
    errors_permille: AtomicU32,
    latency_permille: AtomicU32,
    ejected_permille: AtomicU32,
}

impl HealthSignal {
    /// Whether somebody wants to know.
    pub fn is_wanted(&self) -> bool {
        self.0.get().is_some()
    }

    /// How the service is doing. The first call begins the tracking.
    pub fn read(&self) -> Health {
        let tracked = self.0.get_or_init(|| {
            Box::new(Tracked {
                failures: Window::new(WINDOW),
                latencies: Latencies::default(),
                usual_us: AtomicU64::new(0),
                next_update_ms: AtomicU64::new(0),
                errors_permille: AtomicU32::new(0),
                latency_permille: AtomicU32::new(1000),
                ejected_permille: AtomicU32::new(0),
            })
        });
        let share = |permille: &AtomicU32| f64::from(permille.load(Ordering::Relaxed)) / 1000.0;
        Health {
            errors: share(&tracked.errors_permille),
            latency: share(&tracked.latency_permille),
            ejected: share(&tracked.ejected_permille),
        }
    }

    /// Takes in what became of a request. `ejected` is asked for now and then: the share of targets that are ill.
    pub fn record(
        &self,
        failed: bool,
        took: Duration,
        now: Duration,
        ejected: impl FnOnce() -> f64,
    ) {
        let Some(tracked) = self.0.get() else {
            return;
        };
        tracked.failures.record(failed, now);
        if !failed {
            tracked.latencies.record(took);
        }
        let now_ms = now.as_millis() as u64;
        let due = tracked.next_update_ms.load(Ordering::Relaxed);
        if now_ms < due {
            return;
        }
        let next = now_ms + UPDATE.as_millis() as u64;
        let mine = tracked.next_update_ms.compare_exchange(
            due,
            next,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if mine.is_ok() {
            tracked.update(now);
            let ejected = permille(ejected());
            tracked.ejected_permille.store(ejected, Ordering::Relaxed);
        }
    }
}

impl Tracked {
    fn update(&self, now: Duration) {
        let counted = self.failures.count(now);
        let errors = match counted.total >= MIN_REQUESTS {
            true => counted.ratio(),
            false => 0.0,
        };
        self.errors_permille
            .store(permille(errors), Ordering::Relaxed);
        if self.latencies.count() < ENOUGH {
            return;
        }
        let Some(median) = self.latencies.take_median() else {
            return;
        };
        let median = (median.as_micros() as u64).max(1);
        let usual = match self.usual_us.load(Ordering::Relaxed) {
            0 => median,
            usual if median < usual => median,
            usual => usual + (median - usual).div_ceil(RISE),
        };
        self.usual_us.store(usual, Ordering::Relaxed);
        let ratio = permille(median as f64 / usual as f64);
        self.latency_permille.store(ratio, Ordering::Relaxed);
    }
}

fn permille(share: f64) -> u32 {
    (share * 1000.0).round() as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Health, HealthSignal};

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// So many requests, one each 10 ms.
    fn send(signal: &HealthSignal, from: u64, count: u64, (failed, took): (bool, u64)) {
        for number in 0..count {
            signal.record(failed, ms(took), ms(from + number * 10), || 0.25);
        }
    }

    #[test]
    fn nothing_is_tracked_before_somebody_asks() {
        let signal = HealthSignal::default();
        send(&signal, 1000, 100, (true, 10));
        assert!(!signal.is_wanted());
        assert_eq!(signal.read(), Health::default());
        assert!(signal.is_wanted());
    }

    #[test]
    fn it_tells_failures_latency_and_targets_that_are_ill() {
        let signal = HealthSignal::default();
        signal.read();
        send(&signal, 1000, 500, (false, 100));
        let health = signal.read();
        assert_eq!((health.errors, health.ejected), (0.0, 0.25));
        assert!((health.latency - 1.0).abs() < 0.01, "{health:?}");
        send(&signal, 6000, 200, (false, 300));
        let health = signal.read();
        assert!((2.8..3.1).contains(&health.latency), "{health:?}");
        send(&signal, 8000, 200, (true, 1));
        let health = signal.read();
        assert!((0.15..0.3).contains(&health.errors), "{health:?}");
    }
}

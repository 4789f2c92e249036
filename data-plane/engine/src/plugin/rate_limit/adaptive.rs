//! A limit that falls with the health of the service and recovers.
//!
//! Once a second, by the first request of that second, the share of the limit that is in force is multiplied down where
//! a signal is over its threshold, or grows by a fixed step where none is: fast down, slowly up, as congestion control
//! does. What was used of the limit stays used.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::NANOSECONDS;
use crate::guard::Health;

/// Time between two steps.
const STEP_NS: u64 = NANOSECONDS;
/// What is added in a step, in thousandths of the limit: from nothing to all in 20 seconds.
const RISE: u32 = 50;
/// What is kept in a step where a signal is over its threshold, in thousandths; and where it is twice over it.
const FALL: [u32; 2] = [800, 500];
/// All of the limit.
pub(super) const WHOLE: u32 = 1000;
/// Most services that one instance keeps a share for.
const MAX_SERVICES: usize = 10_000;

/// When the limit falls, and how far.
#[derive(Debug)]
pub(super) struct Adaptive {
    /// Smallest share, in thousandths.
    pub(super) floor: u32,
    /// Thresholds; infinite for a signal that is not looked at.
    pub(super) thresholds: Health,
    pub(super) shares: Arc<Shares>,
}

/// Shares in force, by service. Outlives configurations.
#[derive(Debug, Default)]
pub(super) struct Shares(papaya::HashMap<Arc<str>, Share>);

#[derive(Debug)]
struct Share {
    permille: AtomicU32,
    /// When the last step was, on the clock of all limits; 0 before the first request.
    stepped: AtomicU64,
}

impl Adaptive {
    /// The share of the limit that is in force for a service, in thousandths.
    pub(super) fn share(&self, service: &Arc<str>, health: Health, now: u64) -> u32 {
        let shares = self.shares.0.pin();
        if shares.len() > MAX_SERVICES {
            shares.clear();
        }
        let share = shares.get_or_insert_with(Arc::clone(service), || Share {
            permille: AtomicU32::new(WHOLE),
            stepped: AtomicU64::new(now),
        });
        let last = share.stepped.load(Ordering::Relaxed);
        let steps = now.saturating_sub(last) / STEP_NS;
        let mine = steps > 0
            && share
                .stepped
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        let present = share.permille.load(Ordering::Relaxed);
        if !mine {
            return present.max(self.floor);
        }
        let next = self.step(present, self.pressure(health), steps);
        share.permille.store(next, Ordering::Relaxed);
        next
    }

    /// How far the worst signal is, relative to its threshold.
    fn pressure(&self, health: Health) -> f64 {
        let thresholds = self.thresholds;
        (health.errors / thresholds.errors)
            .max(health.latency / thresholds.latency)
            .max(health.ejected / thresholds.ejected)
    }

    /// The share after so many seconds. Where there were no requests, nothing speaks against having recovered.
    fn step(&self, present: u32, pressure: f64, steps: u64) -> u32 {
        let next = if pressure >= 2.0 {
            present * FALL[1] / WHOLE
        } else if pressure >= 1.0 {
            present * FALL[0] / WHOLE
        } else {
            let steps = u32::try_from(steps).unwrap_or(u32::MAX);
            present.saturating_add(RISE.saturating_mul(steps))
        };
        next.clamp(self.floor, WHOLE)
    }

    /// Calls `tell` with each service and its share, 0 to 1.
    pub(super) fn each(&self, mut tell: impl FnMut(&str, f64)) {
        for (service, share) in &self.shares.0.pin() {
            let permille = share.permille.load(Ordering::Relaxed);
            tell(service, f64::from(permille) / f64::from(WHOLE));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Adaptive, STEP_NS};
    use crate::guard::Health;

    fn adaptive() -> Adaptive {
        Adaptive {
            floor: 100,
            thresholds: Health {
                errors: 0.1,
                latency: 2.0,
                ejected: f64::INFINITY,
            },
            shares: Arc::default(),
        }
    }

    fn health(errors: f64, latency: f64) -> Health {
        Health {
            errors,
            latency,
            ejected: 1.0,
        }
    }

    #[test]
    fn it_falls_fast_to_its_floor_and_recovers_slowly_to_the_whole() {
        let (adaptive, service) = (adaptive(), "s".into());
        let mut now = 0;
        let mut share = |health| {
            now += STEP_NS;
            adaptive.share(&service, health, now)
        };
        assert_eq!(share(health(0.0, 1.0)), 1000);
        assert_eq!(share(health(0.15, 1.0)), 800);
        assert_eq!(share(health(0.0, 4.0)), 400);
        for _ in 0..20 {
            share(health(1.0, 1.0));
        }
        assert_eq!(share(health(1.0, 1.0)), 100);
        assert_eq!(share(health(0.0, 1.9)), 150);
        for _ in 0..17 {
            share(health(0.0, 1.0));
        }
        assert_eq!(share(health(0.0, 1.0)), 1000);
    }

    #[test]
    fn it_steps_once_a_second_whatever_comes_in_between() {
        let (adaptive, service) = (adaptive(), "s".into());
        let bad = health(0.15, 1.0);
        adaptive.share(&service, bad, STEP_NS);
        for part in 0..10 {
            adaptive.share(&service, bad, 2 * STEP_NS + part * STEP_NS / 10);
        }
        assert_eq!(adaptive.share(&service, bad, 2 * STEP_NS), 800);
        // A pause counts as recovery.
        assert_eq!(adaptive.share(&service, health(0.0, 1.0), 4 * STEP_NS), 900);
    }

    #[test]
    fn each_service_has_a_share_of_its_own() {
        let adaptive = adaptive();
        let bad = health(0.15, 1.0);
        for service in ["a", "b"] {
            adaptive.share(&service.into(), bad, STEP_NS);
        }
        adaptive.share(&"a".into(), bad, 2 * STEP_NS);
        let mut told = Vec::new();
        adaptive.each(|service, share| told.push((service.to_owned(), share)));
        told.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(told, [("a".to_owned(), 0.8), ("b".to_owned(), 1.0)]);
    }
}

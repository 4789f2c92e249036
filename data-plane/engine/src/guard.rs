//! What protects a service from too much, and its callers from a service that fails: circuit breaker, limits,
//! adaptive concurrency, admission control, fallback.
//!
//! Decisions only: times and random numbers are given. The state is kept by the name of what it belongs to and
//! outlives configurations, as that of plugins does. A request asks [`Guard::enter`] once, before its first
//! attempt, and its [`Permit`] is told what became of it.

mod admission;
mod breaker;
mod fallback;
mod gradient;
mod latency;
mod limit;
mod permit;
mod signal;
mod template;
mod window;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use admission::{Admission, AdmissionSettings};
pub use breaker::{Breaker, BreakerSettings, Change, Phase};
pub use fallback::{Fallback, FallbackAction, StaticAnswer, Trigger};
pub use gradient::{Gradient, GradientSettings, next_limit};
pub use limit::{AtWork, LimitSettings, Places, RetryPlace};
pub use permit::{Permit, Shed};
pub use signal::{Health, HealthSignal};
pub use template::{BodyTemplate, Escape, Variable};
pub use window::{Counted, Window};

/// Now, and a random number.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Time since some start, the same for all calls.
    pub now: Duration,
    /// 0 to 1.
    pub random: f64,
}

/// Settings, and the state that outlives them.
#[derive(Debug)]
pub struct Kept<S, T> {
    /// How it is to be.
    pub settings: S,
    /// What it remembers.
    pub state: Arc<T>,
}

/// What protects one service.
#[derive(Debug, Default)]
pub struct Guard {
    /// Its circuit breaker.
    pub breaker: Option<Arc<Kept<BreakerSettings, Breaker>>>,
    /// Its adaptive limit on requests in flight.
    pub concurrency: Option<Kept<GradientSettings, Gradient>>,
    /// Its admission control.
    pub admission: Option<Kept<AdmissionSettings, Admission>>,
    /// The limits of its upstream.
    pub limits: Option<Arc<Kept<LimitSettings, AtWork>>>,
    /// How it is doing.
    pub signal: Arc<HealthSignal>,
    /// Requests that were refused.
    pub sheds: Arc<Sheds>,
}

impl Guard {
    /// Whether there is nothing to do for a request.
    pub fn is_idle(&self) -> bool {
        self.breaker.is_none()
            && self.concurrency.is_none()
            && self.admission.is_none()
            && self.limits.is_none()
            && !self.signal.is_wanted()
    }
}

/// What differs on a route.
#[derive(Debug, Default)]
pub struct RouteGuard {
    /// Its breaker.
    pub breaker: RouteBreaker,
    /// Instead of the service's fallback.
    pub fallback: Option<Arc<Fallback>>,
}

/// The breaker of a route.
#[derive(Clone, Debug, Default)]
pub enum RouteBreaker {
    /// The service's.
    #[default]
    Inherited,
    /// None.
    Off,
    /// One of its own.
    Own(Arc<Kept<BreakerSettings, Breaker>>),
}

/// Requests that were refused, by reason. Outlives configurations.
#[derive(Debug, Default)]
pub struct Sheds([AtomicU64; 4]);

impl Sheds {
    fn count(&self, shed: Shed) {
        self.0[shed.place()].fetch_add(1, Ordering::Relaxed);
    }

    /// Each reason and how often it applied.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Shed::NAMES.into_iter().zip(counts)
    }
}

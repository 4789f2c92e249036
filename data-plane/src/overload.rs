//! Keeps the node itself from running out of memory, file descriptors or patience: what it refuses, the less
//! important first, before it must fail everybody.
//!
//! Memory and descriptors are looked at four times a second on the control runtime; a request reads one number.

mod level;
mod pressure;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use gatewright_engine::{Code, Rejection};
use gatewright_proto::v1::Criticality;
use http::{HeaderValue, header};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Metrics;
use level::Level;
use pressure::Pressures;

/// How often memory and descriptors are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// When who is refused may come back, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// How loaded the node is.
#[derive(Debug)]
pub(crate) struct Overload {
    /// By memory and descriptors.
    level: AtomicU8,
    /// 0 is no limit.
    max_in_flight: u32,
    pressures: Pressures,
    metrics: Arc<Metrics>,
}

impl Overload {
    /// With these limits; 0 is none for requests in flight, and the system's own for memory.
    pub(crate) fn new(max_in_flight: u32, memory_bytes: u64, metrics: &Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            level: AtomicU8::new(0),
            max_in_flight,
            pressures: Pressures::new(memory_bytes),
            metrics: Arc::clone(metrics),
        })
    }

    /// The answer to a request that the node cannot take on now. Requests in flight include it.
    pub(crate) fn refuses(&self, criticality: Criticality) -> Option<Rejection> {
        let level = self.level();
        if level == Level::Calm && self.max_in_flight == 0 {
            return None;
        }
        let level = level.max(self.by_in_flight());
        let least = match criticality {
            Criticality::Sheddable => Level::Shedding,
            Criticality::Normal => Level::Urgent,
            Criticality::Critical => Level::Full,
        };
        (level >= least).then(|| {
            Rejection::new(Code::Overloaded, "this node has too much to do")
                .with_header(header::RETRY_AFTER, RETRY_AFTER)
        })
    }

    /// Whether connections are closed after an answer, so that those that are idle do not pile up.
    pub(crate) fn closes(&self) -> bool {
        self.level() >= Level::Strained
    }

    /// Whether connections are accepted.
    pub(crate) fn accepts(&self) -> bool {
        self.level() < Level::Full
    }

    fn level(&self) -> Level {
        Level::of_number(self.level.load(Ordering::Relaxed))
    }

    fn by_in_flight(&self) -> Level {
        if self.max_in_flight == 0 {
            return Level::Calm;
        }
        let in_flight = u64::try_from(self.metrics.in_flight.get()).unwrap_or(0);
        // The request itself is one of them, and may be the last that there is room for.
        let others = in_flight.saturating_sub(1);
        Level::of_in_flight(others * 1000 / u64::from(self.max_in_flight))
    }

    /// Looks again and again, until stopped.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look(),
                () = stop.cancelled() => return,
            }
        }
    }

    fn look(&self) {
        let (memory, descriptors) = self.pressures.look();
        self.see(memory, descriptors);
    }

    /// Takes in the used shares of memory and descriptors, in thousandths.
    fn see(&self, memory: u32, descriptors: u32) {
        let share = |permille: u32| f64::from(permille) / 1000.0;
        self.metrics.memory_used.set(share(memory));
        self.metrics.descriptors_used.set(share(descriptors));
        let before = self.level();
        let level = before.next(memory.max(descriptors));
        if level == before {
            return;
        }
        self.level.store(level as u8, Ordering::Relaxed);
        self.metrics.overload_level.set(i64::from(level as u8));
        let (from, to) = (before.as_str(), level.as_str());
        if level > before {
            tracing::warn!(from, to, memory, descriptors, "the node is overloaded");
        } else {
            tracing::info!(from, to, memory, descriptors, "the node recovers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_less_important_is_refused_first() {
        let overload = Overload::new(0, 0, &Metrics::new());
        let refused = |overload: &Overload| {
            [
                Criticality::Sheddable,
                Criticality::Normal,
                Criticality::Critical,
            ]
            .map(|criticality| overload.refuses(criticality).is_some())
        };
        for (memory, expected) in [
            (500, [false, false, false]),
            (820, [false, false, false]),
            (860, [true, false, false]),
            (955, [true, true, false]),
            (985, [true, true, true]),
            (100, [false, false, false]),
        ] {
            overload.see(memory, 0);
            assert_eq!(refused(&overload), expected, "{memory}");
        }
        overload.see(0, 990);
        assert!(!overload.accepts() && overload.closes());
    }

    #[test]
    fn requests_in_flight_are_bounded_and_some_room_is_left_for_the_important() {
        let metrics = Metrics::new();
        let overload = Overload::new(10, 0, &metrics);
        metrics.in_flight.set(9);
        assert!(overload.refuses(Criticality::Sheddable).is_none());
        metrics.in_flight.set(10);
        assert!(overload.refuses(Criticality::Sheddable).is_some());
        assert!(overload.refuses(Criticality::Normal).is_none());
        metrics.in_flight.set(11);
        assert!(overload.refuses(Criticality::Critical).is_some());
    }
}

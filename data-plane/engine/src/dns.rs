//! How names of targets are looked up: bounds and times; the lookups themselves are made elsewhere.

use std::{net::SocketAddr, time::Duration};

/// How names of an upstream's targets are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSpec {
    /// Of whom it is asked.
    pub by: DnsBy,
    /// Shortest time that an answer is used, however short its own is.
    pub min_ttl: Duration,
    /// Longest time that an answer is used, however long its own is.
    pub max_ttl: Duration,
    /// For how long beyond its time the last good answer is used where there is no other; none is for ever.
    pub max_stale: Option<Duration>,
}

/// Of whom names are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsBy {
    /// The system, as other programs on it do. It does not say how long an answer holds.
    System,
    /// Name servers: these, or, without any, those of the system.
    Servers(Vec<SocketAddr>),
}

/// First pause after a failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

impl DnsSpec {
    /// Of the system, every so often.
    pub const fn system(refresh: Duration) -> Self {
        Self {
            by: DnsBy::System,
            min_ttl: refresh,
            max_ttl: refresh,
            max_stale: None,
        }
    }

    /// How long an answer is used.
    pub fn holds(&self, ttl: Duration) -> Duration {
        ttl.clamp(self.min_ttl, self.max_ttl)
    }

    /// How long to wait after so many failures in a row, before it is asked again.
    pub fn pause(&self, failures: u32) -> Duration {
        let doubled = FIRST_PAUSE * (1 << failures.saturating_sub(1).min(5));
        // Never later than where all is well.
        doubled.min(LONGEST_PAUSE).min(self.max_ttl)
    }

    /// Whether the last good answer is no longer used, so long after its time.
    pub fn is_too_stale(&self, beyond: Duration) -> bool {
        self.max_stale.is_some_and(|most| beyond > most)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DnsBy, DnsSpec};

    #[test]
    fn the_time_of_an_answer_is_bounded_and_failures_pause_longer_and_longer() {
        let seconds = Duration::from_secs;
        let spec = DnsSpec {
            by: DnsBy::Servers(Vec::new()),
            min_ttl: seconds(1),
            max_ttl: seconds(300),
            max_stale: Some(seconds(60)),
        };
        let holds = [0, 1, 20, 300, 86_400].map(|ttl| spec.holds(seconds(ttl)).as_secs());
        assert_eq!(holds, [1, 1, 20, 300, 300]);
        let pauses = [1, 2, 3, 5, 6, 99].map(|failures| spec.pause(failures).as_secs());
        assert_eq!(pauses, [1, 2, 4, 16, 30, 30]);
        assert!(!spec.is_too_stale(seconds(60)));
        assert!(spec.is_too_stale(seconds(61)));
        let system = DnsSpec::system(Duration::from_millis(200));
        assert_eq!(system.holds(seconds(9)), Duration::from_millis(200));
        assert_eq!(system.pause(9), Duration::from_millis(200));
        assert!(!system.is_too_stale(seconds(1_000_000)));
    }
}

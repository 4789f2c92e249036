//! Admission control: the share of requests that is dropped grows with the share that fails
//! (client-side throttling; Site Reliability Engineering, "Handling Overload").

use std::time::Duration;

use super::window::Window;

/// Length of the window.
const WINDOW: Duration = Duration::from_secs(30);

/// How much is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmissionSettings {
    /// Share of successes below which requests are dropped, 0 to 1.
    pub success_share: f64,
    /// Order of the root that is taken of the share.
    pub aggression: f64,
    /// Largest share that is dropped, 0 to 1.
    pub max_share: f64,
    /// Requests a second below which nothing is dropped.
    pub min_per_second: u32,
}

impl AdmissionSettings {
    /// The share to drop after `total` requests of which `succeeded` succeeded.
    pub fn share(&self, total: u64, succeeded: u64) -> f64 {
        let (total, succeeded) = (total as f64, succeeded as f64);
        if total < f64::from(self.min_per_second) * WINDOW.as_secs_f64() {
            return 0.0;
        }
        let excess = (total - succeeded / self.success_share) / (total + 1.0);
        let share = excess.max(0.0).powf(1.0 / self.aggression);
        share.min(self.max_share)
    }
}

/// What became of the last requests. It outlives changes of the settings.
#[derive(Debug)]
pub struct Admission {
    succeeded: Window,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            succeeded: Window::new(WINDOW),
        }
    }
}

impl Admission {
    /// The share that is dropped now, 0 to 1.
    pub fn share(&self, settings: &AdmissionSettings, now: Duration) -> f64 {
        let counted = self.succeeded.count(now);
        settings.share(counted.total, counted.marked)
    }

    /// Counts a request that was let through.
    pub fn record(&self, succeeded: bool, now: Duration) {
        self.succeeded.record(succeeded, now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Admission, AdmissionSettings};

    fn settings(aggression: f64) -> AdmissionSettings {
        AdmissionSettings {
            success_share: 0.95,
            aggression,
            max_share: 0.8,
            min_per_second: 0,
        }
    }

    fn near(share: f64, expected: f64) {
        assert!((share - expected).abs() < 0.0006, "{share}, not {expected}");
    }

    #[test]
    fn the_share_grows_with_what_fails() {
        let share = |succeeded| settings(1.0).share(100, succeeded);
        near(share(100), 0.0);
        near(share(95), 0.0);
        near(share(90), 0.052);
        near(share(50), 0.469);
        near(share(0), 0.8);
        let share = |succeeded| settings(2.0).share(100, succeeded);
        near(share(90), 0.228);
        near(share(50), 0.685);
        near(settings(1.0).share(0, 0), 0.0);
    }

    #[test]
    fn few_requests_are_not_dropped() {
        let settings = AdmissionSettings {
            min_per_second: 2,
            ..settings(1.0)
        };
        near(settings.share(59, 0), 0.0);
        near(settings.share(60, 0), 0.8);
    }

    #[test]
    fn what_is_older_than_half_a_minute_is_forgotten() {
        let admission = Admission::default();
        for number in 0..100 {
            admission.record(number % 2 == 0, Duration::from_secs(60));
        }
        let share = |seconds| admission.share(&settings(1.0), Duration::from_secs(seconds));
        near(share(60), 0.469);
        near(share(86), 0.469);
        near(share(91), 0.0);
    }
}

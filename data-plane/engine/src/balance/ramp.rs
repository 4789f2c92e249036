//! Slow start: a target that joins gets its share bit by bit.

use std::time::Duration;

/// How a target that joins is brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowStart {
    /// After which time it has its whole share.
    pub window: Duration,
    /// The share it begins with, in percent of its weight. 1 to 100.
    pub min_weight_percent: u32,
    /// How early most of the share comes, in percent: 100 is even, more is earlier. 1 to 10,000.
    pub aggression_percent: u32,
}

impl SlowStart {
    /// The part of its weight that a target counts for this long after it joined: 0 to 1.
    pub fn share(&self, since: Duration) -> f64 {
        if since >= self.window {
            return 1.0;
        }
        let passed = since.as_secs_f64() / self.window.as_secs_f64();
        let aggression = f64::from(self.aggression_percent) / 100.0;
        let least = f64::from(self.min_weight_percent) / 100.0;
        passed.powf(1.0 / aggression).max(least).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_from_its_least_to_the_whole() {
        let slow = |aggression_percent| SlowStart {
            window: Duration::from_secs(100),
            min_weight_percent: 10,
            aggression_percent,
        };
        let share = |aggression, at| slow(aggression).share(Duration::from_secs(at));
        assert_eq!(share(100, 0), 0.1);
        assert_eq!(share(100, 5), 0.1);
        assert_eq!(share(100, 25), 0.25);
        assert_eq!(share(100, 100), 1.0);
        // 2.0: the root; 0.5: the square.
        assert!((share(200, 25) - 0.5).abs() < 1e-9);
        assert!((share(50, 50) - 0.25).abs() < 1e-9);
        assert_eq!(share(200, 7200), 1.0);
    }
}

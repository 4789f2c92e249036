//! When a breaker opens, and for how long.

use std::time::Duration;

/// When it opens and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Length of the window.
    pub window: Duration,
    /// Requests in it before it can open.
    pub min_requests: u32,
    /// Share of failures at which it opens, in percent.
    pub error_percent: u32,
    /// From when on a request is slow, and the share of those at which it opens, in percent.
    pub slow: Option<(Duration, u32)>,
    /// How long it is open the first time.
    pub open: Duration,
    /// How long it is open at most, jitter left aside.
    pub max_open: Duration,
    /// Probes that must succeed.
    pub probes: u32,
}

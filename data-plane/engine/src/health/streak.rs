//! Failures in a row, counted by every request: atomics without order between them, because one failure more or
//! less in a race between two requests decides nothing.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::outlier::{Detector, Sign};

/// After how many failures a target is ejected; 0 is never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Answers of 500 or more in a row; no answer counts too, unless `split`.
    pub server: u32,
    /// Answers of 502, 503 or 504 in a row; no answer counts too, unless `split`.
    pub gateway: u32,
    /// No answers, in a row; with `split`.
    pub local: u32,
    /// Whether no answer counts for `local` only.
    pub split: bool,
    /// Failures within this many milliseconds of the one before, in a row or not.
    pub within: Option<Within>,
}

/// A count of failures that successes do not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// How many.
    pub count: u32,
    /// After so long without a failure it begins anew.
    pub milliseconds: u64,
}

/// How many of each kind a target has had.
#[derive(Debug, Default)]
pub struct Streaks {
    /// Whether any of the rows below is not 0: what a success looks at.
    failing: AtomicBool,
    server: AtomicU32,
    gateway: AtomicU32,
    local: AtomicU32,
    recent: AtomicU32,
    last_failure_ms: AtomicU64,
}

impl Streaks {
    /// Ends all rows. Where there is none, it is one read.
    pub fn succeeded(&self) {
        if self.failing.load(Relaxed) {
            self.failing.store(false, Relaxed);
            self.server.store(0, Relaxed);
            self.gateway.store(0, Relaxed);
            self.local.store(0, Relaxed);
        }
    }

    /// Counts a sign, `now_ms` on any clock that only goes forward. Answers what has had enough of it.
    pub fn count(&self, sign: Sign, limits: &Limits, now_ms: u64) -> Option<Detector> {
        if sign == Sign::Success {
            self.succeeded();
            return None;
        }
        self.failing.store(true, Relaxed);
        let local = sign == Sign::LocalFailure;
        if !local {
            self.local.store(0, Relaxed);
        } else if limits.split {
            let enough = reaches(&self.local, limits.local).then_some(Detector::ConsecutiveLocal);
            return enough.or_else(|| self.within(limits, now_ms));
        }
        let gateway = local || sign == Sign::GatewayFailure;
        if !gateway {
            self.gateway.store(0, Relaxed);
        }
        let enough = gateway && reaches(&self.gateway, limits.gateway);
        if reaches(&self.server, limits.server) {
            return Some(Detector::Consecutive5xx);
        }
        if enough {
            return Some(Detector::ConsecutiveGateway);
        }
        if limits.split {
            return None;
        }
        self.within(limits, now_ms)
    }

    fn within(&self, limits: &Limits, now_ms: u64) -> Option<Detector> {
        let within = limits.within?;
        let last = self.last_failure_ms.swap(now_ms, Relaxed);
        if now_ms.saturating_sub(last) > within.milliseconds {
            self.recent.store(0, Relaxed);
        }
        reaches(&self.recent, within.count).then_some(Detector::FailureCount)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.succeeded();
        self.recent.store(0, Relaxed);
    }
}

/// Counts one more. At and beyond the limit, every one says so: the ejection may have been put off.
fn reaches(count: &AtomicU32, limit: u32) -> bool {
    let counted = count.fetch_add(1, Relaxed).saturating_add(1);
    limit > 0 && counted >= limit
}

//! How an upstream is balanced, as it is configured.

use std::time::Duration;

use gatewright_proto::v1::Balancer;

use super::{HashPolicy, SlowStart};
use crate::cookie::Cookie;

/// How an upstream is balanced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceSpec {
    /// How a target is picked.
    pub balancer: Balancer,
    /// Draws of `least_request` and `peak_ewma`. 2 to 16.
    pub choice_count: u32,
    /// After which time an estimate of `peak_ewma` has fallen to 1/e.
    pub ewma_decay: Duration,
    /// What of a request is hashed, in order.
    pub hash: Vec<HashPolicy>,
    /// The load that an address may have, in percent of its fair share; none is any.
    pub hash_balance_percent: Option<u32>,
    /// Whether a client stays with its target.
    pub session: Option<Session>,
    /// How targets that join are brought in; none is at once.
    pub slow_start: Option<SlowStart>,
    /// A smaller usable share makes health ignored. 0 is never.
    pub panic_threshold_percent: u32,
    /// A level is as good as whole while its usable share times this is 100 %.
    pub overprovisioning_percent: u32,
}

/// How a client stays with its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The cookie that says which.
    pub cookie: Cookie,
}

impl Default for BalanceSpec {
    fn default() -> Self {
        Self {
            balancer: Balancer::LeastRequest,
            choice_count: 2,
            ewma_decay: Duration::from_secs(10),
            hash: Vec::new(),
            hash_balance_percent: None,
            session: None,
            slow_start: None,
            panic_threshold_percent: 50,
            overprovisioning_percent: 140,
        }
    }
}

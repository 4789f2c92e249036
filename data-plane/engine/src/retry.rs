//! When and how a request is sent again: which failures, which methods, how long to wait, how many at the
//! same time. Pure decisions: time and chance are parameters.

mod backoff;
mod budget;
mod conditions;
mod deadline;
mod hedge;
mod pushback;
mod step;
#[cfg(test)]
mod tests;

use std::time::Duration;

use gatewright_proto::v1::{OtherTarget, RetryOn};
use http::Method;

use crate::route::HeaderRule;
pub use backoff::Backoff;
pub use budget::{Budget, Permit, Retrying};
pub use conditions::{Conditions, Reason};
pub use deadline::{DeadlineRule, grpc_timeout, parse_grpc_timeout};
pub use hedge::{Hedge, Judgement, judge};
pub use step::{Ended, Step, Stop};

/// A compiled retry policy. [`Default`] is what a service without one has: one retry, of what cannot have
/// reached a target.
#[derive(Debug)]
pub struct RetryPolicy {
    /// Retries after the first attempt, 0 to 10.
    pub attempts: u32,
    /// What is retried.
    pub on: Conditions,
    /// Time of one attempt up to its response head.
    pub per_try_timeout: Option<Duration>,
    /// Longest time without a byte in one attempt.
    pub per_try_idle_timeout: Option<Duration>,
    /// How long to wait.
    pub backoff: Backoff,
    /// For [`RetryOn::Statuses`].
    pub statuses: Box<[u16]>,
    /// For [`RetryOn::Headers`].
    pub(crate) headers: Box<[HeaderRule]>,
    /// What may be sent again after a target may have acted on it; none is what is idempotent.
    pub methods: Option<Box<[Method]>>,
    /// What is kept of a body, to be sent again.
    pub max_body_bytes: usize,
    /// Whether to wait as long as a response says.
    pub respect_retry_after: bool,
    /// How many at the same time.
    pub budget: Budget,
    /// Which target.
    pub other_target: OtherTarget,
    /// Whether targets and clients are told which attempt it is.
    pub attempt_count: bool,
}

/// Default of `max_body_bytes`.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            on: Conditions::of(&[RetryOn::ConnectFailure, RetryOn::RefusedStream]),
            per_try_timeout: None,
            per_try_idle_timeout: None,
            backoff: Backoff::default(),
            statuses: Box::default(),
            headers: Box::default(),
            methods: None,
            max_body_bytes: MAX_BODY_BYTES,
            respect_retry_after: true,
            budget: Budget::default(),
            other_target: OtherTarget::Prefer,
            attempt_count: false,
        }
    }
}

impl RetryPolicy {
    /// Whether a request with this method may be sent again although a target may have acted on it.
    pub fn may_repeat(&self, method: &Method) -> bool {
        match &self.methods {
            None => method.is_idempotent(),
            Some(methods) => methods.contains(method),
        }
    }

    /// Whether a response can be a reason to send again.
    pub const fn looks_at_responses(&self) -> bool {
        self.attempts > 0 && self.on.look_at_responses()
    }
}

//! What comes after an attempt: its end is the answer, or another attempt after a while.

use std::time::Duration;

use http::{HeaderMap, Method};

use super::{Reason, RetryPolicy, pushback, pushback::Pushback};
use crate::outcome::End;

/// An attempt that is over, and what is known of its request.
#[derive(Debug)]
pub struct Ended<'a> {
    /// How it ended.
    pub end: End,
    /// The response's fields, where there is one.
    pub headers: Option<&'a HeaderMap>,
    /// The request's method.
    pub method: &'a Method,
    /// Whether the request can be sent again from its beginning: its body is there, whole or to be continued.
    pub replayable: bool,
    /// Retries made so far.
    pub retries: u32,
    /// What is left of the request's time; none is without end.
    pub time_left: Option<Duration>,
    /// 0 to 1 (exclusive), at random.
    pub chance: f64,
    /// Seconds since 1970.
    pub unix_now: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: this is the answer.
    Stop(Stop),
    /// Another attempt after this pause, if the budget has room for it.
    Again(Duration, Reason),
}

/// Why there is no other attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is nothing to retry.
    Settled,
    /// There have been as many as there may be.
    Exhausted,
    /// A target may have acted on it, and its method is not one to repeat.
    Method,
    /// Its body is not there any more, or was still on its way when a response came.
    Body,
    /// The time of the request would be over, or the response asked not to come back.
    Late,
    /// Too many others are being retried.
    Budget,
    /// All targets have been tried.
    Targets,
}

impl Stop {
    /// Its name in the access line; none where nothing was withheld.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Settled => None,
            Self::Exhausted => Some("exhausted"),
            Self::Method => Some("method"),
            Self::Body => Some("body"),
            Self::Late => Some("late"),
            Self::Budget => Some("budget"),
            Self::Targets => Some("targets"),
        }
    }
}

impl RetryPolicy {
    /// What comes after an attempt.
    pub fn step(&self, ended: &Ended<'_>) -> Step {
        let Some(reason) = self.reason(&ended.end, ended.headers) else {
            return Step::Stop(Stop::Settled);
        };
        if ended.retries >= self.attempts {
            return Step::Stop(Stop::Exhausted);
        }
        // Naming a gRPC status allows it: there is no method but POST.
        let may_repeat =
            is_unseen(&ended.end) || reason == Reason::GrpcStatus || self.may_repeat(ended.method);
        if !may_repeat {
            return Step::Stop(Stop::Method);
        }
        if !ended.replayable {
            return Step::Stop(Stop::Body);
        }
        let Some(pause) = self.pause(ended) else {
            return Step::Stop(Stop::Late);
        };
        // What would only begin when time is up is better answered now.
        match ended.time_left {
            Some(left) if pause >= left => Step::Stop(Stop::Late),
            _ => Step::Again(pause, reason),
        }
    }

    /// None where the response asked not to come back.
    fn pause(&self, ended: &Ended<'_>) -> Option<Duration> {
        let asked = match ended.headers {
            Some(headers) if self.respect_retry_after => pushback::read(headers, ended.unix_now),
            _ => Pushback::Silent,
        };
        match asked {
            Pushback::Never => None,
            // Up to half as much more, so that not all come back in the same moment.
            Pushback::Wait(wait) => Some(wait.mul_f64(1.0 + ended.chance / 2.0)),
            Pushback::Silent => Some(self.backoff.pause(ended.retries + 1, ended.chance)),
        }
    }
}

/// Whether no target can have acted on the request.
const fn is_unseen(end: &End) -> bool {
    matches!(
        end,
        End::Connect | End::ConnectTimeout | End::Refused | End::Reset { sent: false }
    )
}

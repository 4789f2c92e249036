//! When the time of a request is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::outcome::End;
use http::StatusCode;

use super::replay::Replay;
use crate::body::Body;

/// The status of gRPC that says that a deadline is over.
const GRPC_DEADLINE_EXCEEDED: u32 = 4;

/// Bounds on the time of a request, or of one attempt.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// When it begins, where there is no body to wait for.
    pub(super) since: Instant,
    /// The request's body: `time` begins when it has come whole.
    pub(super) body: Option<Arc<Replay>>,
    /// From there on.
    pub(super) time: Option<Duration>,
    /// In any case until then.
    pub(super) by: Option<Instant>,
    /// Whether it is the client that waits for less than the service may take.
    pub(super) impatient: bool,
}

impl Limit {
    /// What it means that time is up. That a client does not wait says nothing of the target: it could have
    /// targets ejected and breakers opened at will.
    pub(super) const fn end(&self) -> End {
        match self.impatient {
            true => End::Abandoned,
            false => End::Timeout,
        }
    }

    /// What an attempt that ended like this says of its target. Where the client waits for less than the service may take, so does
    /// the target, which hears of it: that it says so is as little of its own doing as that time is up here.
    pub(super) fn judged(&self, end: End) -> End {
        let gave_up = match end {
            End::Response { status, grpc } => {
                status == StatusCode::GATEWAY_TIMEOUT || grpc == Some(GRPC_DEADLINE_EXCEEDED)
            }
            _ => false,
        };
        match gave_up && self.impatient {
            true => End::Abandoned,
            false => end,
        }
    }

    /// Whether there is none.
    pub(super) const fn is_none(&self) -> bool {
        self.time.is_none() && self.by.is_none()
    }

    /// When time is up, as far as it can be told now.
    pub(super) fn at(&self) -> Option<Instant> {
        let of_time = self.time.and_then(|time| {
            let since = match &self.body {
                None => self.since,
                Some(body) => body.ended()?,
            };
            since.checked_add(time)
        });
        match (of_time, self.by) {
            (Some(of_time), Some(by)) => Some(of_time.min(by)),
            (of_time, by) => of_time.or(by),
        }
    }

    /// What is left at this moment; none is without end. While the body is on its way, all of `time` is.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let waiting = self.body.as_ref().is_some_and(|it| it.ended().is_none());
        let whole = self.time.filter(|_| waiting);
        let left = self.at().map(|at| at.saturating_duration_since(now));
        match (whole, left) {
            (Some(whole), Some(left)) => Some(whole.min(left)),
            (whole, left) => whole.or(left),
        }
    }

    /// The body from its beginning, where it can be sent once more.
    pub(super) fn rest(&self) -> Option<Body> {
        let body = self.body.as_ref().filter(|body| body.is_whole());
        body.map(Replay::reader)
    }

    /// How long it was, in milliseconds, for people.
    pub(super) fn milliseconds(&self) -> u128 {
        let by = self.by.map(|by| by.saturating_duration_since(self.since));
        let shorter = match (self.time, by) {
            (Some(time), Some(by)) => Some(time.min(by)),
            (time, by) => time.or(by),
        };
        shorter.unwrap_or_default().as_millis()
    }
}

//! A timer that is moved at every message and costs nothing until it is waited for.
//!
//! The runtime's timer is left where it is when the deadline moves away from it, and moved on only
//! when it fires too early: once a period, not once a message.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// What stands for forever: thirty years.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A point in time that a connection waits for at most.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom the runtime's timer wakes, while it has not fired.
    registered: Option<Waker>,
}

impl Deadline {
    /// Starts counting, unless it does already.
    pub(crate) fn start(&mut self, after: Duration) {
        if self.at.is_none() {
            self.start_at(Instant::now(), after);
        }
    }

    /// Counts from this moment: for those who have just looked at a clock.
    pub(crate) fn start_at(&mut self, now: Instant, after: Duration) {
        self.at = Some(now.checked_add(after).unwrap_or_else(|| now + FOREVER));
    }

    /// Stops counting: there was progress.
    pub(crate) const fn stop(&mut self) {
        self.at = None;
    }

    /// Starts counting where it does not, and is ready when time is up.
    pub(crate) fn poll(&mut self, after: Duration, context: &mut Context<'_>) -> Poll<()> {
        self.start(after);
        match self.at {
            Some(at) => self.poll_at(at, context),
            None => Poll::Pending,
        }
    }

    /// Is ready at this time.
    pub(crate) fn poll_at(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
            self.registered = None;
        }
        let same = |waker: &Waker| waker.will_wake(context.waker());
        if self.registered.as_ref().is_some_and(same) && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.registered = Some(context.waker().clone());
        while sleep.as_mut().poll(context).is_ready() {
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}

//! Attempts after the first: whether there is another, when, and at which target.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::{
    Rejection,
    retry::{Permit, Reason, Step, Stop},
};
use gatewright_proto::v1::OtherTarget;
use http::HeaderName;
use smallvec::SmallVec;
use tokio::time::sleep;

use super::{Forwarder, Work, attempt::Tried, call::Call};
use crate::{
    connect::SendError,
    http1::client::{Outgoing, Received},
    telemetry::{Record, Stage},
    upstream::Address,
};

/// What has been done for one request so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Where it was sent.
    pub(super) tried: SmallVec<[SocketAddr; 4]>,
    /// Attempts that have begun.
    pub(super) begun: usize,
    /// Retries that count.
    retries: u32,
    /// Whether a connection that a target had closed was met.
    met_closed: bool,
}

/// Another attempt that is to begin.
pub(super) struct Next {
    pub(super) address: Arc<Address>,
    pub(super) reason: Reason,
    /// Its place in the budget; none for what is no retry.
    pub(super) permit: Option<Permit>,
}

impl Forwarder {
    /// Goes on after the first attempt.
    pub(super) async fn again<'a>(
        &self,
        call: &Call<'a>,
        (first, address): (Tried, Arc<Address>),
        work: &mut Work<'_, 'a>,
    ) -> Result<Received, Rejection> {
        let mut progress = Progress::default();
        progress.begun(&address);
        let (mut last, mut address) = (first, address);
        loop {
            let step = progress.step(call, &last);
            let next = match self.next(call, &progress, step, work.record).await {
                Ok(next) => next,
                Err(stop) => {
                    let last = (last, &*address);
                    return call.settle(last, stop, progress.begun, work.record);
                }
            };
            drop(last);
            let now = Instant::now();
            note(&next, now, work.outgoing, work.record);
            let begin = (&next.address, progress.begun, now);
            call.begin(begin, work.outgoing, work.running);
            progress.begun(&next.address);
            last = self.attempt(call, &next.address, work).await;
            address = next.address;
        }
    }

    /// The attempt that this step leads to. Waits until it is time, and picks its target.
    ///
    /// # Errors
    /// There is none, and why.
    pub(super) async fn next(
        &self,
        call: &Call<'_>,
        progress: &Progress,
        step: Result<(Duration, Reason), Stop>,
        record: &mut Record,
    ) -> Result<Next, Stop> {
        let (pause, reason) = step?;
        let permit = match reason {
            Reason::IdleClosed => None,
            _ => Some(call.permit().ok_or(Stop::Budget)?),
        };
        record.reach(Stage::Pick);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let address = self.other(call, progress).await.ok_or(Stop::Targets)?;
        call.live.metrics.retries.retried(reason);
        Ok(Next {
            address,
            reason,
            permit,
        })
    }

    /// The target of another attempt.
    pub(super) async fn other(&self, call: &Call<'_>, progress: &Progress) -> Option<Arc<Address>> {
        let other = call.policy.other_target;
        if other != OtherTarget::Any {
            let untried = self.pick(call, &progress.tried).await;
            if untried.is_some() || other == OtherTarget::Require {
                return untried;
            }
        }
        self.pick(call, &[]).await
    }
}

/// Notes an attempt that begins. Its target is told of a span of its own.
pub(super) fn note(next: &Next, now: Instant, outgoing: &mut Outgoing, record: &mut Record) {
    if let Some(parent) = record.onward() {
        let headers = outgoing.request.headers_mut();
        headers.insert(HeaderName::from_static("traceparent"), parent);
    }
    record.forwarding(now, next.address.socket, Some(next.reason));
}

impl Progress {
    /// What comes after an attempt: the pause, and why.
    pub(super) fn step(
        &mut self,
        call: &Call<'_>,
        last: &Tried,
    ) -> Result<(Duration, Reason), Stop> {
        let closed = matches!(last.sent, Err(SendError::Closed { reused: true }));
        let may = call.is_replayable() && call.policy.may_repeat(&call.context.method);
        if closed && may && !self.met_closed {
            // No failure of the target: it had closed a connection that was idle.
            self.met_closed = true;
            return Ok((Duration::ZERO, Reason::IdleClosed));
        }
        match call.policy.step(&call.ended(last, self.retries)) {
            Step::Stop(stop) => Err(stop),
            Step::Again(pause, reason) => {
                self.retries += 1;
                Ok((pause, reason))
            }
        }
    }

    /// Notes an attempt that begins.
    pub(super) fn begun(&mut self, address: &Address) {
        self.begun += 1;
        if !self.tried.contains(&address.socket) {
            self.tried.push(address.socket);
        }
    }
}

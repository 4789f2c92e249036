//! One attempt to get a response from one target: from its beginning to the one outcome that everybody
//! who learns from attempts is told, exactly once.

use std::{sync::Arc, time::Instant};

use gatewright_engine::{
    Rejection,
    outcome::{End, Outcome},
    retry::Stop,
};
use gatewright_proto::v1::Protocol as Spoken;
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::{failure::failed, limit::Limit};
use crate::{
    connect::SendError,
    http1::client::Received,
    published::LiveService,
    telemetry::Record,
    upstream::{Address, InFlight},
};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The attempts of one request that are under way: one, or more where it is hedged. Kept outside the
/// futures that send, so that what ends those by force (time, a hedge that lost) can still say how the
/// attempt ended.
pub(super) type Running<'a> = SmallVec<[Attempt<'a>; 1]>;

/// An attempt under way. Dropped without an end, the client went away.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    /// Its place among the attempts of its request.
    pub(super) number: usize,
    address: Arc<Address>,
    service: &'a LiveService,
    pub(super) began: Instant,
    /// The place among the target's requests in flight; it outlives the attempt where there is a response.
    busy: Option<InFlight>,
    told: bool,
}

impl<'a> Attempt<'a> {
    /// Begins; the first attempt of a request has number 0.
    pub(super) fn begin(
        service: &'a LiveService,
        address: Arc<Address>,
        number: usize,
        now: Instant,
    ) -> Self {
        Self {
            number,
            busy: Some(address.begin()),
            address,
            service,
            began: now,
            told: false,
        }
    }

    /// It is over, in this way. Returns what became of it, and the place in flight, which lasts until the
    /// response is over.
    pub(super) fn finish(mut self, end: End, now: Instant) -> (Outcome, Option<InFlight>) {
        let outcome = self.tell(end, now);
        (outcome, self.busy.take())
    }

    /// Hands the outcome to all who learn from it.
    fn tell(&mut self, end: End, now: Instant) -> Outcome {
        self.told = true;
        let outcome = Outcome {
            end,
            took: now.saturating_duration_since(self.began),
        };
        tracing::trace!(target = %self.address.socket, ?outcome, "an attempt is over");
        self.address.finish(&outcome, now);
        self.service.attempted(&outcome, now);
        outcome
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.tell(End::Abandoned, Instant::now());
        }
    }
}

/// An attempt that is over.
pub(super) struct Tried {
    pub(super) sent: Result<Received, SendError>,
    pub(super) end: End,
    /// When it was over.
    now: Instant,
    /// Its number, from 0.
    pub(super) number: usize,
    busy: Option<InFlight>,
}

impl Tried {
    /// Tells of the attempt, and keeps what came of it.
    pub(super) fn of(
        sent: Result<Received, SendError>,
        attempt: Option<Attempt<'_>>,
        (spoken, limit): (Spoken, &Limit),
        record: &mut Record,
    ) -> Self {
        let (end, now) = (end(&sent, spoken), Instant::now());
        if let Err(error) = &sent
            && let Some(reason) = error.reason()
        {
            record.note(|line| line.connect_failure = Some(reason.as_str()));
        }
        let number = attempt.as_ref().map_or(0, |it| it.number);
        let busy = attempt.and_then(|attempt| {
            let (outcome, busy) = attempt.finish(limit.judged(end), now);
            record.attempted(number, outcome);
            busy
        });
        Self {
            sent,
            end,
            now,
            number,
            busy,
        }
    }

    /// The response's fields, where there is one.
    pub(super) fn headers(&self) -> Option<&HeaderMap> {
        let received = self.sent.as_ref().ok()?;
        Some(received.response.headers())
    }

    /// It is what the client gets, since there is no other attempt for this reason.
    pub(super) fn settle(self, stop: Stop, record: &mut Record) -> Result<Received, Rejection> {
        if let Some(why) = stop.as_str() {
            record.note(|line| line.not_retried = Some(why));
        }
        let received = self.sent.map_err(|error| failed(&error))?;
        record.answered(self.now);
        if let Some(facts) = record.facts() {
            facts.busy = self.busy;
        }
        Ok(received)
    }
}

/// How an attempt ended.
fn end(sent: &Result<Received, SendError>, spoken: Spoken) -> End {
    match sent {
        Ok(received) => response(received, spoken),
        Err(SendError::Connect(_)) => End::Connect,
        Err(SendError::ConnectTimeout(_)) => End::ConnectTimeout,
        Err(SendError::Refused) => End::Refused,
        Err(SendError::Closed { reused: true }) => End::IdleClosed,
        Err(SendError::Closed { reused: false } | SendError::Malformed(_)) => {
            End::Reset { sent: true }
        }
        Err(SendError::IdleTimeout | SendError::AttemptTimeout(_)) => End::Timeout,
        // That the gateway may not open another connection says nothing of the target.
        Err(SendError::RequestBody(_) | SendError::Overloaded) => End::Abandoned,
    }
}

/// How an attempt ended that has a response.
pub(crate) fn response(received: &Received, spoken: Spoken) -> End {
    End::Response {
        status: received.response.status(),
        grpc: match spoken {
            Spoken::Http2 => grpc_status(received.response.headers()),
            Spoken::Http1 => None,
        },
    }
}

/// The status of a gRPC response that is all in its head (trailers only).
fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

//! One attempt to get a response from one target: from its beginning to the one outcome that everybody
//! who learns from attempts is told, exactly once.

use std::{sync::Arc, time::Instant};

use gatewright_engine::outcome::{End, Outcome};
use gatewright_proto::v1::Protocol as Spoken;
use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use crate::{
    connect::SendError,
    http1::client::Received,
    published::LiveService,
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
    address: Arc<Address>,
    service: &'a LiveService,
    began: Instant,
    /// The place among the target's requests in flight; it outlives the attempt where there is a response.
    busy: Option<InFlight>,
    told: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn begin(service: &'a LiveService, address: Arc<Address>, now: Instant) -> Self {
        Self {
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

/// How an attempt ended.
pub(super) fn end(sent: &Result<Received, SendError>, spoken: Spoken) -> End {
    match sent {
        Ok(received) => response(received, spoken),
        Err(SendError::Connect(_)) => End::Connect,
        Err(SendError::ConnectTimeout(_)) => End::ConnectTimeout,
        Err(SendError::Refused) => End::Refused,
        Err(SendError::Closed { .. } | SendError::Malformed(_)) => End::Reset { sent: true },
        Err(SendError::IdleTimeout) => End::Timeout,
        Err(SendError::RequestBody(_)) => End::Abandoned,
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

//! Which ends of an attempt are retried, and why.

use gatewright_proto::v1::RetryOn;
use http::{HeaderMap, StatusCode};

use super::RetryPolicy;
use crate::outcome::End;

/// A set of [`RetryOn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions(u32);

/// What happened, that a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No connection.
    ConnectFailure,
    /// The target refused the stream.
    RefusedStream,
    /// The connection ended before a response, or the response was malformed.
    Reset,
    /// No response in time.
    Timeout,
    /// The response's status.
    Status,
    /// A field of the response.
    Header,
    /// 429.
    RateLimited,
    /// The response's gRPC status.
    GrpcStatus,
    /// A connection that had been idle was closed by the target as the request was sent on it.
    IdleClosed,
    /// The response was slow to come: another attempt began beside it.
    Hedge,
}

impl Reason {
    /// All of them, in order of their place.
    pub const ALL: [Self; 10] = [
        Self::ConnectFailure,
        Self::RefusedStream,
        Self::Reset,
        Self::Timeout,
        Self::Status,
        Self::Header,
        Self::RateLimited,
        Self::GrpcStatus,
        Self::IdleClosed,
        Self::Hedge,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectFailure => "connect_failure",
            Self::RefusedStream => "refused_stream",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Header => "header",
            Self::RateLimited => "rate_limited",
            Self::GrpcStatus => "grpc_status",
            Self::IdleClosed => "idle_closed",
            Self::Hedge => "hedge",
        }
    }
}

/// What a response can be.
const OF_RESPONSES: Conditions = Conditions::of(&[
    RetryOn::GatewayError,
    RetryOn::ServerError,
    RetryOn::Conflict,
    RetryOn::Statuses,
    RetryOn::Headers,
    RetryOn::RateLimited,
    RetryOn::GrpcCancelled,
    RetryOn::GrpcDeadlineExceeded,
    RetryOn::GrpcInternal,
    RetryOn::GrpcResourceExhausted,
    RetryOn::GrpcUnavailable,
]);

/// Any failure to get a response.
const NO_RESPONSE: Conditions =
    Conditions::of(&[RetryOn::Reset, RetryOn::GatewayError, RetryOn::ServerError]);

impl Conditions {
    /// Those of a list.
    pub const fn of(list: &[RetryOn]) -> Self {
        let (mut bits, mut place) = (0, 0);
        while place < list.len() {
            bits |= 1 << list[place] as u32;
            place += 1;
        }
        Self(bits)
    }

    /// Whether one is among them.
    pub const fn has(self, one: RetryOn) -> bool {
        self.0 & (1 << one as u32) != 0
    }

    /// Whether any of these is among them.
    const fn has_any(self, those: Self) -> bool {
        self.0 & those.0 != 0
    }

    pub(super) const fn look_at_responses(self) -> bool {
        self.has_any(OF_RESPONSES)
    }
}

impl RetryPolicy {
    /// Why an attempt that ended like this is to be tried again; none where it is not. `headers` are the
    /// response's, where there is one.
    pub fn reason(&self, end: &End, headers: Option<&HeaderMap>) -> Option<Reason> {
        let no_response = self.on.has_any(NO_RESPONSE);
        let unsent = no_response || self.on.has(RetryOn::ResetBeforeRequest);
        let (retried, reason) = match end {
            End::Connect | End::ConnectTimeout => {
                let listed = self.on.has(RetryOn::ConnectFailure);
                (listed || unsent, Reason::ConnectFailure)
            }
            End::Refused => {
                let listed = self.on.has(RetryOn::RefusedStream);
                (listed || no_response, Reason::RefusedStream)
            }
            End::Reset { sent: false } => (unsent, Reason::Reset),
            End::Reset { sent: true } | End::IdleClosed => (no_response, Reason::Reset),
            End::Timeout => (no_response, Reason::Timeout),
            End::Response { status, grpc } => return self.of_response(*status, *grpc, headers),
            End::Abandoned => (false, Reason::Reset),
        };
        retried.then_some(reason)
    }

    fn of_response(
        &self,
        status: StatusCode,
        grpc: Option<u32>,
        headers: Option<&HeaderMap>,
    ) -> Option<Reason> {
        if !self.on.look_at_responses() {
            return None;
        }
        let on = |one| self.on.has(one);
        let code = status.as_u16();
        let listed = on(RetryOn::Statuses) && self.statuses.contains(&code);
        if code == 429 && on(RetryOn::RateLimited) {
            return Some(Reason::RateLimited);
        }
        let by_status = (on(RetryOn::ServerError) && status.is_server_error())
            || (on(RetryOn::GatewayError) && matches!(code, 502..=504))
            || (on(RetryOn::Conflict) && code == 409);
        if listed || by_status {
            return Some(Reason::Status);
        }
        let matched = |headers: &HeaderMap| self.headers.iter().any(|rule| rule.matches(headers));
        if on(RetryOn::Headers) && headers.is_some_and(matched) {
            return Some(Reason::Header);
        }
        let of_grpc = match grpc? {
            1 => RetryOn::GrpcCancelled,
            4 => RetryOn::GrpcDeadlineExceeded,
            8 => RetryOn::GrpcResourceExhausted,
            13 => RetryOn::GrpcInternal,
            14 => RetryOn::GrpcUnavailable,
            _ => return None,
        };
        on(of_grpc).then_some(Reason::GrpcStatus)
    }
}

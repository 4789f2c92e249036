//! What became of one attempt to get a response from one target: what balancers, outlier detection,
//! circuit breakers, concurrency limits and retries learn from.

use std::time::Duration;

use http::StatusCode;

/// One attempt, when its response head has arrived or it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// From the start of the attempt, connecting included, to its end.
    pub took: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A response head. For gRPC, with the status that came in the head (a response of trailers only).
    Response {
        /// The HTTP status.
        status: StatusCode,
        /// `grpc-status`, where the response had one in its head.
        grpc: Option<u32>,
    },
    /// No connection: refused, unreachable, TLS failed. Nothing was sent.
    Connect,
    /// No connection in time. Nothing was sent.
    ConnectTimeout,
    /// The target refused the stream before it looked at it (HTTP/2 REFUSED_STREAM, GOAWAY).
    Refused,
    /// The connection ended before a response head, or the head was not HTTP.
    Reset {
        /// Whether a byte of the request had been sent.
        sent: bool,
    },
    /// The target closed a connection that had been idle, most likely before it saw the request: says nothing of
    /// the target.
    IdleClosed,
    /// No response head within the time of the attempt, or of the request.
    Timeout,
    /// The client went away or its body failed: says nothing of the target.
    Abandoned,
}

impl End {
    /// Its name in logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Response { .. } => "response",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Refused => "refused",
            Self::Reset { .. } => "reset",
            Self::IdleClosed => "idle_closed",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

/// gRPC statuses that are the service's failure: Aborted, DataLoss, DeadlineExceeded, Internal,
/// ResourceExhausted, Unavailable.
const GRPC_FAILURES: [u32; 6] = [10, 15, 4, 13, 8, 14];

impl Outcome {
    /// Whether the target answered, and not with a failure of its own: below 500, or for gRPC none of the
    /// statuses that mean a failure. None where the outcome says nothing of the target.
    pub fn succeeded(&self) -> Option<bool> {
        match self.end {
            End::Response { status, grpc } => {
                let of_grpc = grpc.is_some_and(|code| GRPC_FAILURES.contains(&code));
                Some(!status.is_server_error() && !of_grpc)
            }
            End::IdleClosed | End::Abandoned => None,
            _ => Some(false),
        }
    }

    /// Whether there was no response at all, whose cause is between gateway and target.
    pub const fn is_local(&self) -> bool {
        !matches!(
            self.end,
            End::Response { .. } | End::IdleClosed | End::Abandoned
        )
    }

    /// The status of the response, where there was one.
    pub const fn status(&self) -> Option<StatusCode> {
        match self.end {
            End::Response { status, .. } => Some(status),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::{End, Outcome};

    fn outcome(end: End) -> Outcome {
        Outcome {
            end,
            took: Duration::from_millis(3),
        }
    }

    #[test]
    fn a_response_below_500_is_a_success_and_no_response_is_a_failure() {
        let answered = |status, grpc| outcome(End::Response { status, grpc }).succeeded();
        assert_eq!(answered(StatusCode::NOT_FOUND, None), Some(true));
        assert_eq!(answered(StatusCode::BAD_GATEWAY, None), Some(false));
        assert_eq!(answered(StatusCode::OK, Some(5)), Some(true));
        assert_eq!(answered(StatusCode::OK, Some(14)), Some(false));
        assert_eq!(outcome(End::Timeout).succeeded(), Some(false));
    }

    #[test]
    fn a_client_that_went_away_and_a_connection_that_was_idle_say_nothing_of_the_target() {
        for end in [End::Abandoned, End::IdleClosed] {
            assert_eq!(outcome(end).succeeded(), None);
            assert!(!outcome(end).is_local());
        }
    }
}

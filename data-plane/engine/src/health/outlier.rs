//! What is counted against a target, and what for.

use std::time::Duration;

use super::{
    ejection::Terms,
    rate::{FailurePercentage, SuccessRate},
    streak::Limits,
};
use crate::outcome::{End, Outcome};

/// How targets that fail requests are found, and for how long they are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// What ejects at once.
    pub limits: Limits,
    /// Compares shares of successes.
    pub success_rate: Option<SuccessRate>,
    /// Looks at shares of failures.
    pub failure_percentage: Option<FailurePercentage>,
    /// Time over which these two look.
    pub interval: Duration,
    /// How long and how many.
    pub terms: Terms,
    /// Whether a target that comes back gets one request first.
    pub probe: bool,
    /// Whether a health check that passes ends an ejection.
    pub readmit_by_check: bool,
}

impl OutlierDetection {
    /// Whether successes and failures must be counted.
    pub const fn counts_rates(&self) -> bool {
        self.success_rate.is_some() || self.failure_percentage.is_some()
    }
}

/// What an outcome says of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered, and not with a failure of its own.
    Success,
    /// It answered 500 or more (gRPC: what stands for it).
    ServerFailure,
    /// It answered 502, 503 or 504.
    GatewayFailure,
    /// It did not answer.
    LocalFailure,
}

/// gRPC statuses that stand for 500: Unknown, Internal, DataLoss. Unimplemented does not, although 501 is what
/// it is mapped to: it says that the client asked for a method that is not there.
const GRPC_SERVER_FAILURES: [u32; 3] = [2, 13, 15];
/// gRPC statuses that stand for 503 and 504: Unavailable, DeadlineExceeded.
const GRPC_GATEWAY_FAILURES: [u32; 2] = [14, 4];

impl Sign {
    /// None where the outcome says nothing of the target.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let End::Response { status, grpc } = outcome.end else {
            return outcome.is_local().then_some(Self::LocalFailure);
        };
        let grpc = |among: &[u32]| grpc.is_some_and(|code| among.contains(&code));
        Some(match status.as_u16() {
            502..=504 => Self::GatewayFailure,
            500.. => Self::ServerFailure,
            _ if grpc(&GRPC_GATEWAY_FAILURES) => Self::GatewayFailure,
            _ if grpc(&GRPC_SERVER_FAILURES) => Self::ServerFailure,
            _ => Self::Success,
        })
    }
}

/// What found a target to be failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// Answers of 500 or more in a row.
    Consecutive5xx,
    /// Answers of 502, 503 or 504 in a row.
    ConsecutiveGateway,
    /// No answers, in a row.
    ConsecutiveLocal,
    /// Failures within a time.
    FailureCount,
    /// Fewer successes than the others.
    SuccessRate,
    /// Too many failures.
    FailurePercentage,
    /// The one request after an ejection failed.
    Probe,
}

impl Detector {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Consecutive5xx,
        Self::ConsecutiveGateway,
        Self::ConsecutiveLocal,
        Self::FailureCount,
        Self::SuccessRate,
        Self::FailurePercentage,
        Self::Probe,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGateway => "consecutive_gateway_failures",
            Self::ConsecutiveLocal => "consecutive_local_failures",
            Self::FailureCount => "failure_count",
            Self::SuccessRate => "success_rate",
            Self::FailurePercentage => "failure_percentage",
            Self::Probe => "probe",
        }
    }
}

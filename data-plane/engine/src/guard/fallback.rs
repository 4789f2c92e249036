//! What is answered where a service cannot, or fails.

use http::{HeaderMap, StatusCode};

use super::template::BodyTemplate;
use crate::Code;

/// A compiled fallback.
#[derive(Debug)]
pub struct Fallback {
    /// On which of the gateway's own answers.
    pub on: Vec<Trigger>,
    /// On which statuses of the service.
    pub statuses: Vec<StatusCode>,
    /// What is done.
    pub action: FallbackAction,
}

/// What is done instead.
#[derive(Debug)]
pub enum FallbackAction {
    /// A fixed answer. Boxed, as it is the larger one.
    Answer(Box<StaticAnswer>),
    /// Another service is asked, by name.
    Service(Box<str>),
}

/// A fixed answer.
#[derive(Debug)]
pub struct StaticAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, the content type included.
    pub headers: HeaderMap,
    /// Its body.
    pub body: BodyTemplate,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// The breaker is open.
    Open,
    /// A limit towards the service is reached.
    Overloaded,
    /// There is no target, or no connection.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// No valid answer.
    Reset,
}

impl Trigger {
    /// Each and its name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("open", Self::Open),
        ("overloaded", Self::Overloaded),
        ("unreachable", Self::Unreachable),
        ("timeout", Self::Timeout),
        ("reset", Self::Reset),
    ];

    /// Which one an answer of the gateway means; none for what is not the service's failure.
    pub const fn of(code: Code) -> Option<Self> {
        match code {
            Code::CircuitOpen => Some(Self::Open),
            Code::UpstreamOverloaded => Some(Self::Overloaded),
            Code::UpstreamUnreachable | Code::NoTarget | Code::NoHealthyTarget => {
                Some(Self::Unreachable)
            }
            Code::UpstreamTimeout => Some(Self::Timeout),
            Code::BadGateway => Some(Self::Reset),
            _ => None,
        }
    }
}

impl Fallback {
    /// Whether it stands in for this answer of the gateway.
    pub fn replaces(&self, code: Code) -> bool {
        Trigger::of(code).is_some_and(|trigger| self.on.contains(&trigger))
    }

    /// Whether it stands in for this answer of the service.
    pub fn replaces_status(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status)
    }
}

//! What the client is told where no answer came.

use gatewright_engine::{Code, Rejection};

use super::limit::Limit;
use crate::{body::BodyError, connect::SendError, upstream::LiveUpstream};

pub(super) fn no_target() -> Rejection {
    Rejection::new(Code::NoTarget, "the upstream has no target")
}

/// None of an upstream's targets was picked.
pub(super) fn nobody(upstream: &LiveUpstream) -> Rejection {
    let has_targets = upstream.addresses().iter().any(|it| it.weight > 0);
    match has_targets {
        true => Rejection::new(
            Code::NoHealthyTarget,
            "no target of the upstream is healthy",
        ),
        false => no_target(),
    }
}

pub(super) fn too_late(limit: &Limit) -> Rejection {
    let timeout_ms = limit.milliseconds();
    let detail = format!("the upstream did not answer within {timeout_ms} ms");
    Rejection::new(Code::UpstreamTimeout, detail)
}

pub(super) fn failed(error: &SendError) -> Rejection {
    match error {
        SendError::Connect(_) | SendError::ConnectTimeout(_) => {
            Rejection::new(Code::UpstreamUnreachable, "the upstream cannot be reached")
        }
        SendError::Overloaded => Rejection::new(
            Code::UpstreamOverloaded,
            "no connection to the upstream is free",
        ),
        SendError::RequestBody(BodyError::TooLarge(most)) => {
            Rejection::new(Code::BodyTooLarge, format!("the body is over {most} bytes"))
        }
        SendError::RequestBody(BodyError::Timeout) => {
            Rejection::new(Code::RequestTimeout, "the body did not arrive in time")
        }
        SendError::RequestBody(_) => Rejection::new(Code::BadRequest, "the body is broken"),
        SendError::Malformed(what) => Rejection::new(
            Code::BadGateway,
            format!("the upstream's answer is malformed: {what}"),
        ),
        SendError::IdleTimeout => Rejection::new(
            Code::UpstreamTimeout,
            "the upstream was silent for too long",
        ),
        SendError::AttemptTimeout(time) => Rejection::new(
            Code::UpstreamTimeout,
            format!("the upstream did not answer within {} ms", time.as_millis()),
        ),
        SendError::Refused | SendError::Closed { .. } => {
            Rejection::new(Code::BadGateway, "the upstream closed before it answered")
        }
    }
}

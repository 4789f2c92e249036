//! What the client is told where no answer came.

use gatewright_engine::{Code, Rejection};

use crate::{body::BodyError, connect::SendError};

pub(super) fn no_target() -> Rejection {
    Rejection::new(Code::NoTarget, "the upstream has no target")
}

/// Whether nobody can have seen a request, `empty` where it has no body, `safe` where seeing it twice does
/// no harm either.
pub(super) const fn unseen(error: &SendError, (empty, safe): (bool, bool)) -> bool {
    match error {
        SendError::Connect(_) | SendError::ConnectTimeout(_) => true,
        SendError::Refused => empty,
        SendError::Closed { reused } => *reused && safe,
        _ => false,
    }
}

pub(super) fn too_late(timeout_ms: u32) -> Rejection {
    let detail = format!("the upstream did not answer within {timeout_ms} ms");
    Rejection::new(Code::UpstreamTimeout, detail)
}

pub(super) fn failed(error: &SendError) -> Rejection {
    match error {
        SendError::Connect(_) | SendError::ConnectTimeout(_) => {
            Rejection::new(Code::UpstreamUnreachable, "the upstream cannot be reached")
        }
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
        SendError::Refused | SendError::Closed { .. } => {
            Rejection::new(Code::BadGateway, "the upstream closed before it answered")
        }
    }
}

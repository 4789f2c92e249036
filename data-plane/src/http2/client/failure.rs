//! What an error of a stream says about its request.

use std::io;

use h2::Reason;

use crate::connect::{SendError, refused_by_target};

/// Why a response did not come.
pub(super) fn of_response(error: &h2::Error) -> SendError {
    // RFC 9113, 6.8 and 8.7: neither what is refused nor what is beyond the last stream of a
    // GOAWAY has been processed. (`h2` tells only the streams beyond it.)
    if error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) {
        return SendError::Refused;
    }
    if let Some(error) = error.get_io().filter(|it| refused_by_target(it)) {
        return SendError::Connect(io::Error::new(error.kind(), error.to_string()));
    }
    if error.is_library() {
        return SendError::Malformed("a violation of HTTP/2");
    }
    // Only a connection that breaks may have broken before the target saw the request.
    SendError::Closed {
        reused: error.is_io(),
    }
}

impl SendError {
    /// Says of a connection that ended whether it had been in use before.
    pub(super) fn unless_reused(self, reused: bool) -> Self {
        match self {
            Self::Closed { reused: possible } => Self::Closed {
                reused: possible && reused,
            },
            other => other,
        }
    }
}

//! The upstream side of the gateway: shared connections, a few an origin.

use crate::{
    connect::{Origin, SendError},
    http1::client::{Outgoing, Received},
};

/// Connections of one worker, by origin.
#[derive(Debug, Default)]
pub struct Pool;

impl Pool {
    /// Sends a request and returns at the response head. The body goes on being sent while the
    /// response is read.
    ///
    /// Where it fails before the target can have seen the request (`Connect`, `ConnectTimeout`,
    /// `Refused`, `Closed` of a reused connection), the head in `outgoing` is as it was, so that it
    /// can be sent to another target; the body may be taken, the caller can make it again.
    ///
    /// # Errors
    /// No response head came.
    pub async fn send(
        &self,
        _origin: &Origin,
        _outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        Err(SendError::Closed { reused: false })
    }
}

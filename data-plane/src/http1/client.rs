//! The upstream side of the gateway: connections that requests are sent on, and the idle ones.

use std::time::Duration;

use http::{Request, Response};

use crate::{
    body::Body,
    connect::{Origin, SendError},
    exchange::{Interim, Tunnel},
};

/// Connections of one worker. Idle ones are kept by origin.
#[derive(Debug, Default)]
pub struct Pool;

/// What a target answered.
#[derive(Debug)]
pub struct Received {
    /// Head and body; the connection goes back to the pool by itself when the body has ended.
    pub response: Response<Body>,
    /// Where the target switched protocols (101, or 2xx to extended CONNECT).
    pub tunnel: Option<Box<dyn Tunnel>>,
}

/// How a request is sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Path and query in the URI; Host set; no hop-by-hop fields.
    pub request: Request<Body>,
    /// Protocol to ask for, in lower case.
    pub upgrade: Option<Box<str>>,
    /// Where 1xx answers go.
    pub interim: Interim,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Longest time without a byte, of the response and while sending; none is forever.
    pub idle_timeout: Option<Duration>,
}

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

//! Opens connections to targets: TCP, and TLS where the service asks for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gatewright_proto::v1::Protocol;

/// Where a request is sent: connections to equal origins are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The address.
    pub address: SocketAddr,
    /// TLS to speak, and the name to send and check.
    pub tls: Option<(Arc<gatewright_engine::Tls>, Arc<str>)>,
    /// Version of HTTP to speak.
    pub protocol: Protocol,
}

/// Why a request got no response head.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection could be opened. Nothing was sent.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// No connection in this time. Nothing was sent.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The target refused the stream before processing it (REFUSED_STREAM, GOAWAY). Safe to send again.
    #[error("the target refused the stream")]
    Refused,
    /// The connection ended before a response head.
    #[error("the target closed before it answered")]
    Closed {
        /// Whether the connection had been idle in the pool, so that the target may have closed it
        /// without seeing the request.
        reused: bool,
    },
    /// The response is not valid HTTP.
    #[error("malformed response: {0}")]
    Malformed(&'static str),
    /// The client's body failed while it was being sent.
    #[error("the request body failed")]
    RequestBody(#[source] crate::body::BodyError),
}

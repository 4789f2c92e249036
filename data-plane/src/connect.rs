//! Opens connections to targets: TCP, and TLS where the service asks for it.

mod io;
mod trust;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gatewright_proto::v1::Protocol;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;

use crate::guard::gate::Gate;
pub use io::Io;

/// Where a request is sent: connections to equal origins are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The address.
    pub address: SocketAddr,
    /// TLS to speak, and the name to send and check.
    pub tls: Option<(Arc<gatewright_engine::Tls>, Arc<str>)>,
    /// Version of HTTP to speak.
    pub protocol: Protocol,
    /// The limits on connections to it, where there are any.
    pub(crate) gate: Option<Gate>,
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
    /// All connections that there may be are in use, and too many requests wait for one, or this one has waited
    /// too long. Nothing was sent.
    #[error("no connection is free")]
    Overloaded,
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
    /// No byte came or went for longer than the service allows.
    #[error("the target did not answer in time")]
    IdleTimeout,
    /// No response head within the time of one attempt.
    #[error("the target did not answer within {0:?}")]
    AttemptTimeout(Duration),
    /// The client's body failed while it was being sent.
    #[error("the request body failed")]
    RequestBody(#[source] crate::body::BodyError),
}

/// Opens a connection, ready for the first byte of HTTP.
///
/// # Errors
/// [`SendError::Connect`] where TCP or TLS fails (for HTTP/2, also where the target does not agree
/// to speak it), [`SendError::ConnectTimeout`] where both together take longer than `timeout`.
pub async fn open(origin: &Origin, timeout: Duration) -> Result<Io, SendError> {
    match tokio::time::timeout(timeout, connect(origin)).await {
        Ok(connected) => connected.map_err(SendError::Connect),
        Err(_) => Err(SendError::ConnectTimeout(timeout)),
    }
}

async fn connect(origin: &Origin) -> std::io::Result<Io> {
    let tcp = TcpStream::connect(origin.address).await?;
    // Every message is written at once; waiting for more to send with it only adds latency.
    tcp.set_nodelay(true)?;
    let Some((tls, name)) = &origin.tls else {
        return Ok(Io::Plain(tcp));
    };
    let name = ServerName::try_from(String::from(&**name)).map_err(std::io::Error::other)?;
    let config = trust::config(tls, origin.protocol).await?;
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, tcp)
        .await?;
    let spoken = stream.get_ref().1.alpn_protocol();
    if origin.protocol == Protocol::Http2 && spoken != Some(trust::HTTP2) {
        return Err(std::io::Error::other("the target does not speak HTTP/2"));
    }
    Ok(Io::Tls(Box::new(stream)))
}

#[cfg(test)]
mod tests;

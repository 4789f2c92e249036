//! Opens connections to targets: TCP, and TLS where the service asks for it.

mod counters;
mod io;
mod link;
mod reason;
mod retire;
mod trust;

use std::{
    hash::{Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use gatewright_proto::v1::{Protocol, ProxyProtocol};
use rustls_pki_types::ServerName;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::proxy_protocol::{self, Ends};

pub(crate) use counters::{ConnectionCounters, encode};
pub use io::Io;
pub use link::Link;
pub use reason::Reason;
pub(crate) use reason::refused_by_target;
pub(crate) use retire::{Identities, Pools, Retire};

/// Where a request is sent: connections to equal origins are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The address.
    pub address: SocketAddr,
    /// The name to send and check in TLS.
    pub name: Option<Arc<str>>,
    /// Whose connections these are, where targets are told.
    pub client: Option<Arc<Ends>>,
    /// How connections are made.
    pub link: Arc<Link>,
}

impl Origin {
    /// Whether TLS is spoken.
    pub fn is_secure(&self) -> bool {
        self.link.tls.is_some()
    }
}

/// Of what tells most origins apart: settings of TLS carry whole certificates.
impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
        self.client.hash(state);
    }
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

impl SendError {
    /// Why there was no connection, where that is what is wrong.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Connect(error) => Some(Reason::of(error)),
            Self::ConnectTimeout(_) => Some(Reason::Timeout),
            _ => None,
        }
    }
}

/// Opens a connection, ready for the first byte of HTTP.
///
/// # Errors
/// [`SendError::Connect`] where TCP or TLS fails (for HTTP/2, also where the target does not agree
/// to speak it), [`SendError::ConnectTimeout`] where both together take longer than `timeout`.
pub async fn open(origin: &Origin, timeout: Duration) -> Result<Io, SendError> {
    let opened = match tokio::time::timeout(timeout, connect(origin)).await {
        Ok(connected) => connected.map_err(SendError::Connect),
        Err(_) => Err(SendError::ConnectTimeout(timeout)),
    };
    origin.link.count(&opened);
    if let Err(SendError::Connect(error)) = &opened {
        reason::warn(origin, error);
    }
    opened
}

async fn connect(origin: &Origin) -> std::io::Result<Io> {
    let link = &*origin.link;
    // Before anything is sent: what cannot be read must not cost the target a connection.
    let config = match &link.tls {
        Some(tls) => Some(trust::config(tls, link.protocol).await?),
        None => None,
    };
    let mut tcp = TcpStream::connect(origin.address).await?;
    // Every message is written at once; waiting for more to send with it only adds latency.
    tcp.set_nodelay(true)?;
    if link.proxy_protocol != ProxyProtocol::Off {
        let header = proxy_protocol::header(link.proxy_protocol, origin.client.as_deref());
        tcp.write_all(&header).await?;
    }
    let Some(config) = config else {
        return Ok(Io::Plain(tcp));
    };
    let name = String::from(origin.name.as_deref().unwrap_or_default());
    let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, tcp)
        .await?;
    let spoken = stream.get_ref().1.alpn_protocol();
    if link.protocol == Protocol::Http2 && spoken != Some(trust::HTTP2) {
        return Err(std::io::Error::other(reason::NoHttp2));
    }
    Ok(Io::Tls(Box::new(stream)))
}

#[cfg(test)]
mod tests;

//! The PROXY protocol (versions 1 and 2, as HAProxy defines them): who is at the other end of a connection that was
//! passed on. In: from load balancers in front. Out: to targets that want to know the client.

mod read;
mod write;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use clap::ValueEnum;

use crate::exchange::Connection;

pub(crate) use read::read;
pub(crate) use write::header;

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The ends of a connection, as its client sees them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ends {
    /// The client's.
    pub source: SocketAddr,
    /// Where it has connected to.
    pub destination: SocketAddr,
}

impl Ends {
    /// What targets are told of a client. Behind a proxy in front its port is not known.
    pub(crate) fn told(client: IpAddr, connection: &Connection) -> Arc<Self> {
        let peer = connection.peer;
        let direct = peer.ip().to_canonical() == client;
        let port = if direct { peer.port() } else { 0 };
        Arc::new(Self {
            source: SocketAddr::new(client, port),
            destination: connection.local,
        })
    }
}

/// The ports of a node that clients may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Port {
    /// That of plain HTTP.
    Http,
    /// That of TLS.
    Https,
}

/// Why a header cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Invalid {
    /// The connection ended or failed.
    #[error("the connection ended within the PROXY header")]
    Io(#[from] std::io::Error),
    /// It is none, or one that is not understood.
    #[error("not a PROXY header: {0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests;

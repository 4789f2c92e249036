//! How connections to the targets of one service are made.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use gatewright_engine::Tls;
use gatewright_proto::v1::{Protocol, ProxyProtocol};

use super::{Io, SendError};
use crate::{guard::gate::Gate, telemetry::ServiceMetrics};

/// How connections are made: made once a revision, shared by requests. Connections to equal links are shared, also
/// between services.
#[derive(Clone, Debug)]
pub struct Link {
    /// TLS to speak.
    pub tls: Option<Arc<Tls>>,
    /// Version of HTTP to speak.
    pub protocol: Protocol,
    /// How targets are told of the client.
    pub proxy_protocol: ProxyProtocol,
    /// The limits on connections, where there are any.
    pub(crate) gate: Option<Gate>,
    /// HTTP/2 connections that requests are spread over. Those who share may differ in it.
    pub(crate) connections: usize,
    /// Whose connections they are, in metrics.
    pub(crate) metrics: Option<Arc<ServiceMetrics>>,
}

impl Link {
    /// A link without limits that nobody counts.
    pub const fn new(tls: Option<Arc<Tls>>, protocol: Protocol) -> Self {
        Self {
            tls,
            protocol,
            proxy_protocol: ProxyProtocol::Off,
            gate: None,
            connections: 1,
            metrics: None,
        }
    }

    /// Counts a connection that was opened, or not.
    pub(super) fn count(&self, opened: &Result<Io, SendError>) {
        let Some(metrics) = &self.metrics else { return };
        match opened {
            Ok(_) => metrics.connections.opened(),
            Err(error) => {
                if let Some(reason) = error.reason() {
                    metrics.connections.failed(reason);
                }
            }
        }
    }
}

impl PartialEq for Link {
    fn eq(&self, other: &Self) -> bool {
        self.tls == other.tls
            && self.protocol == other.protocol
            && self.proxy_protocol == other.proxy_protocol
            && self.gate == other.gate
    }
}

impl Eq for Link {}

impl Hash for Link {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.tls.hash(hasher);
        self.protocol.hash(hasher);
        self.proxy_protocol.hash(hasher);
        self.gate.hash(hasher);
    }
}

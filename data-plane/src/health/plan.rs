//! How the targets of an upstream are asked, as of now.

use std::sync::Arc;

use gatewright_engine::{Tls, health::check::Check};
use gatewright_proto::v1::{Protocol, ProxyProtocol};

/// How requests get to the targets: checks go the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// TLS to speak.
    pub(crate) tls: Option<Arc<Tls>>,
    /// The name to send and check; none is the target's host.
    pub(crate) server_name: Option<Arc<str>>,
    /// The version of HTTP.
    pub(crate) protocol: Protocol,
    /// Whether connections begin with the PROXY protocol.
    pub(crate) proxy_protocol: ProxyProtocol,
}

/// How targets are asked. Whoever asks is woken when it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// What; none: they are not.
    pub(super) check: Option<Arc<Check>>,
    /// Known once a service is.
    pub(super) way: Option<Way>,
    /// Whether the upstream has had a request.
    pub(super) traffic: bool,
}

impl Plan {
    /// What to ask and how; none while they are not to be asked.
    pub(super) fn order(&self) -> Option<(Arc<Check>, Way)> {
        Some((Arc::clone(self.check.as_ref()?), self.way.clone()?))
    }
}

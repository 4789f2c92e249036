//! One address that gets requests.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use gatewright_engine::Target;
use http::HeaderValue;

/// One address of a target.
#[derive(Debug)]
pub(crate) struct Address {
    /// Where it is.
    pub(crate) socket: SocketAddr,
    /// The target it belongs to.
    pub(crate) target: Arc<str>,
    /// The target's host, for TLS.
    pub(crate) host: Arc<str>,
    /// Share of the requests, among the addresses of its upstream.
    pub(crate) weight: u32,
    pub(super) in_flight: Arc<AtomicU32>,
    /// Host for it in plain text, and with TLS: without the port where it is the scheme's own.
    authorities: [HeaderValue; 2],
}

impl Address {
    pub(super) fn new(
        target: &Target,
        socket: SocketAddr,
        weight: u32,
        in_flight: Arc<AtomicU32>,
    ) -> Self {
        Self {
            socket,
            target: Arc::clone(&target.name),
            host: (*target.host).into(),
            weight,
            in_flight,
            authorities: [80, 443].map(|own| authority(&target.host, target.port, own)),
        }
    }

    /// What Host says of it.
    pub(crate) fn authority(&self, tls: bool) -> HeaderValue {
        self.authorities[usize::from(tls)].clone()
    }

    /// Counts a request to it.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(&self.in_flight))
    }
}

fn authority(host: &str, port: u16, own: u16) -> HeaderValue {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let text = match port == own {
        true => host,
        false => format!("{host}:{port}"),
    };
    // Compilation has checked the host.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A request in flight to an address, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicU32>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

//! One address that gets requests.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use gatewright_engine::{Target, outcome::Outcome};
use http::HeaderValue;

use super::{InFlight, TargetState};

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
    /// What is known of it beyond this revision.
    pub(crate) state: Arc<TargetState>,
    /// Host for it in plain text, and with TLS: without the port where it is the scheme's own.
    authorities: [HeaderValue; 2],
}

impl Address {
    pub(super) fn new(
        target: &Target,
        socket: SocketAddr,
        weight: u32,
        state: Arc<TargetState>,
    ) -> Self {
        Self {
            socket,
            target: Arc::clone(&target.name),
            host: (*target.host).into(),
            weight,
            state,
            authorities: [80, 443].map(|own| authority(&target.host, target.port, own)),
        }
    }

    /// What Host says of it.
    pub(crate) fn authority(&self, tls: bool) -> HeaderValue {
        self.authorities[usize::from(tls)].clone()
    }

    /// Counts a request to it.
    pub(crate) fn begin(&self) -> InFlight {
        self.state.begin()
    }

    /// Says what became of one attempt to get a response from it.
    pub(crate) fn finish(&self, outcome: &Outcome, now: Instant) {
        self.state.finish(outcome, now);
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

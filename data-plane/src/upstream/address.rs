//! One address that gets requests.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gatewright_engine::{Target, Upstream, balance::BalanceSpec, outcome::Outcome};
use gatewright_proto::v1::Balancer;
use http::HeaderValue;

use super::{InFlight, TargetState, names::Place};

/// What a session cookie calls an address: it says nothing to those who do not know the address, is the
/// same on every node, and can be nothing but an address that the upstream has.
pub(super) type Identity = [u8; 22];

/// One address of a target.
#[derive(Debug)]
pub(crate) struct Address {
    /// Where it is.
    pub(crate) socket: SocketAddr,
    /// The target it belongs to.
    pub(crate) target: Arc<str>,
    /// The host that is configured, which is what a certificate has to be for: were it the one that a lookup of
    /// services led to, whoever can forge answers of name servers could choose it.
    pub(crate) host: Arc<str>,
    /// Share of the requests, among the addresses of its upstream.
    pub(crate) weight: u32,
    /// 0 is preferred.
    pub(crate) priority: u32,
    /// How its upstream is balanced.
    pub(super) balance: Arc<BalanceSpec>,
    pub(super) identity: Identity,
    /// What is known of it beyond this revision.
    pub(crate) state: Arc<TargetState>,
    /// Host for it in plain text, and with TLS: without the port where it is the scheme's own.
    authorities: [HeaderValue; 2],
}

impl Address {
    pub(super) fn new(
        (upstream, target): (&Upstream, &Target),
        place: &Place,
        weight: u32,
        state: Arc<TargetState>,
    ) -> Self {
        let socket = SocketAddr::new(place.ip, place.port);
        let asked = place.host.as_deref().unwrap_or(&target.host);
        Self {
            socket,
            target: Arc::clone(&target.name),
            weight,
            priority: target.priority + place.rank,
            balance: Arc::clone(&upstream.balance),
            identity: identity(&upstream.name, &target.name, socket),
            state,
            authorities: [80, 443].map(|own| authority(asked, place.port, own)),
            host: (*target.host).into(),
        }
    }

    /// What Host says of it.
    pub(crate) fn authority(&self, tls: bool) -> HeaderValue {
        self.authorities[usize::from(tls)].clone()
    }

    /// Counts a request to it.
    pub(crate) fn begin(&self) -> InFlight {
        self.state
            .begin(self.balance.hash_balance_percent.is_some())
    }

    /// Says what became of one attempt to get a response from it.
    pub(crate) fn finish(&self, outcome: &Outcome, now: Instant) {
        let estimated = self.balance.balancer == Balancer::PeakEwma;
        let decay = estimated.then_some(self.balance.ewma_decay);
        self.state.finish(outcome, now, decay);
    }
}

/// 128 bits of a hash over the names and the address.
fn identity(upstream: &str, target: &str, socket: SocketAddr) -> Identity {
    let text = format!("gatewright session\0{upstream}\0{target}\0{socket}");
    let hash = blake3::hash(text.as_bytes());
    let mut identity = [0; 22];
    // 16 bytes are 22 characters without padding.
    let _ = BASE64_URL_SAFE_NO_PAD.encode_slice(&hash.as_bytes()[..16], &mut identity);
    identity
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

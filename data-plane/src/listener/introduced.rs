//! Who is at the other end of a connection that a load balancer in front has passed on.

use std::net::SocketAddr;

use tokio::{net::TcpStream, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Shared, detect::late};
use crate::{
    proxy::Proxy,
    proxy_protocol::{self, Ends, Invalid},
    telemetry::ProxyHeaderLabels,
};

/// The client, and where it has connected to, as the PROXY protocol says; none where the connection must be closed. Whoever may
/// say who it is could be anybody, so only proxies that are trusted may.
pub(super) async fn introduced(
    socket: &mut TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
    (shared, proxy): (&Shared, &Proxy),
    drain: &CancellationToken,
) -> Option<(SocketAddr, SocketAddr)> {
    let refused = |reason| {
        let labels = ProxyHeaderLabels { reason };
        let metrics = &shared.telemetry.metrics;
        metrics.proxy_headers_refused.get_or_create(&labels).inc();
        tracing::debug!(%peer, reason, "a connection has no PROXY header that counts");
        None
    };
    if !proxy.trust.includes(peer.ip()) {
        return refused("untrusted");
    }
    let told = tokio::select! {
        biased;
        told = timeout(proxy.limits.head_timeout, proxy_protocol::read(socket)) => told,
        () = late(drain) => return None,
    };
    match told {
        Ok(Ok(Some(ends))) => {
            let Ends {
                source,
                destination,
            } = ends;
            Some((source, destination))
        }
        // The proxy itself, as for a health check.
        Ok(Ok(None)) => Some((peer, local)),
        Ok(Err(Invalid::Malformed(_))) => refused("malformed"),
        Ok(Err(Invalid::Io(_))) => refused("closed"),
        Err(_) => refused("timeout"),
    }
}

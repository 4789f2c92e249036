//! Names of targets, asked for again and again.

use std::{net::IpAddr, sync::Weak, time::Duration};

use gatewright_engine::Target;
use tokio::{net::lookup_host, sync::watch, time::timeout};

use super::LiveUpstream;

/// How long the name service may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Most addresses of one name.
const MAX_ADDRESSES: usize = 256;

/// The address that a target is written with, if it is not a name.
pub(super) fn literal(target: &Target) -> Option<IpAddr> {
    target.host.parse().ok()
}

/// Asks the name service until the upstream is no longer used. What it does not answer keeps its last
/// good addresses.
pub(super) async fn follow(upstream: Weak<LiveUpstream>, done: watch::Sender<bool>) {
    let mut failing = false;
    while let Some(live) = upstream.upgrade() {
        let mut failed = false;
        let mut found = Vec::with_capacity(live.spec.targets.len());
        for target in &live.spec.targets {
            found.push(match resolve(target).await {
                Ok(addresses) => addresses,
                Err(reason) => {
                    failed = true;
                    if !failing {
                        tracing::warn!(host = %target.host, reason, "cannot resolve a target's name");
                    }
                    live.known(target)
                }
            });
        }
        failing = failed;
        live.replace(&found);
        done.send_replace(true);
        let pause = Duration::from_millis(u64::from(live.spec.dns_refresh_ms));
        drop(live);
        tokio::time::sleep(pause).await;
    }
}

impl LiveUpstream {
    /// The addresses that a target has now.
    pub(super) fn known(&self, target: &Target) -> Vec<IpAddr> {
        let present = self.addresses();
        let its = present
            .iter()
            .filter(|it| it.target == target.name && *it.host == *target.host);
        its.map(|it| it.socket.ip()).collect()
    }
}

/// All addresses of a target, sorted.
async fn resolve(target: &Target) -> Result<Vec<IpAddr>, String> {
    if let Some(ip) = literal(target) {
        return Ok(vec![ip]);
    }
    let looked_up = timeout(RESOLVE_TIMEOUT, lookup_host((&*target.host, target.port))).await;
    let found = match looked_up {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no answer in time".to_owned()),
    };
    let mut ips: Vec<IpAddr> = found.map(|it| it.ip()).take(MAX_ADDRESSES).collect();
    ips.sort_unstable();
    ips.dedup();
    match ips.is_empty() {
        true => Err("it has no address".to_owned()),
        false => Ok(ips),
    }
}

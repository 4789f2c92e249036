//! `gatewright entry`: one port in front of all nodes, for `docker-compose` on one machine.
//!
//! A plain TCP forwarder. It asks the name service which nodes there are, takes them in turn, and goes
//! on to the next where one does not accept. In production a cloud load balancer, anycast or several DNS
//! records do this; it is not meant to be what a fleet depends on.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, lookup_host},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Connections forwarded at a time; further ones wait in the accept queue.
const MAX_CONNECTIONS: usize = 10_000;
/// Pause after the system refused to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a node may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Forwards TCP connections to all addresses of a name, in turn.
#[derive(Debug, Args)]
pub(crate) struct Entry {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// `name:port` of the nodes.
    #[arg(long)]
    to: String,
}

/// Serves until the process is told to stop.
///
/// # Errors
/// The address is taken.
pub(super) async fn run(arguments: &Entry, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    tracing::info!("forwards {} to {}", listener.local_addr()?, arguments.to);
    let target: Arc<str> = arguments.to.as_str().into();
    let turn = Arc::new(AtomicUsize::new(0));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await?;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return Ok(()),
        };
        let Ok((mut client, peer)) = accepted else {
            // Out of descriptors, most likely: let some connections end.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (target, turn) = (Arc::clone(&target), Arc::clone(&turn));
        tokio::spawn(async move {
            match connect(&target, &turn).await {
                Some(mut node) => {
                    let _ = copy_bidirectional(&mut client, &mut node).await;
                }
                None => tracing::warn!(%peer, "no node of {target} accepts"),
            }
            drop(place);
        });
    }
}

/// A connection to the next node that accepts.
async fn connect(target: &str, turn: &AtomicUsize) -> Option<TcpStream> {
    let nodes: Vec<SocketAddr> = lookup_host(target).await.ok()?.collect();
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for place in 0..nodes.len() {
        let address = nodes[(first + place) % nodes.len()];
        if let Ok(Ok(node)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            let _ = node.set_nodelay(true);
            return Some(node);
        }
    }
    None
}

//! `gatewright echo`: the sample upstream by itself, for trying things out.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Runs the sample upstream: it answers every request with what it was asked, as JSON.
#[derive(Debug, Args)]
pub(crate) struct Echo {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8081", env = "GATEWRIGHT_ECHO_LISTEN")]
    listen: SocketAddr,
}

/// Serves until the process is told to stop.
///
/// # Errors
/// The address is taken, or the listener failed.
pub(super) async fn run(arguments: &Echo, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let instance = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    tracing::info!("the sample upstream listens on {}", listener.local_addr()?);
    crate::echo::serve(listener, instance.trim().to_owned(), shutdown).await?;
    Ok(())
}

//! `gatewright-data-plane`: one node.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use gatewright_data_plane::{Node, NodeSettings};
use gatewright_logging::LogSettings;
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enforces the configuration of a control plane on traffic.
#[derive(Parser)]
#[command(name = "gatewright-data-plane", version)]
struct Arguments {
    #[command(flatten)]
    settings: NodeSettings,
    #[command(flatten)]
    log: LogSettings,
    /// Asks the one that runs here whether it is ready, and ends with 0 or 1.
    #[arg(long)]
    health_check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.health_check {
        return health(arguments.settings.status_listen.port());
    }
    if let Err(error) = arguments.log.install() {
        let _ = writeln!(std::io::stderr(), "gatewright-data-plane: {error:#}");
        return ExitCode::from(2);
    }
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing has been installed before");
    match run(&arguments.settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Control traffic runs on this runtime; workers have their own.
fn run(settings: &NodeSettings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let node = Node::start(settings).await?;
        tracing::info!("traffic on http://{} and https://{}", node.http, node.https);
        tracing::info!("status on http://{}", node.status);
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("draining");
        node.drain().await;
        Ok(())
    })
}

/// For containers, which have no HTTP client.
fn health(port: u16) -> ExitCode {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        socket.read_exact(&mut answer)?;
        Ok(&answer[9..] == b"200")
    };
    match ask() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

//! `gatewright-control-plane`: one control plane.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use gatewright_control_plane::{ControlPlane, ControlSettings};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps the configuration, offers the admin API, and streams it to the nodes.
#[derive(Parser)]
#[command(name = "gatewright-control-plane", version)]
struct Arguments {
    #[command(flatten)]
    settings: ControlSettings,
    /// Asks the one that runs here whether it is ready, and ends with 0 or 1.
    #[arg(long)]
    health_check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.health_check {
        return health(arguments.settings.admin_listen.port());
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .init();
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

fn run(settings: &ControlSettings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let control_plane = ControlPlane::start(settings).await?;
        tracing::info!("admin API on http://{}", control_plane.admin);
        tracing::info!("nodes connect to {}", control_plane.discovery);
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("ending");
        control_plane.stop().await;
        Ok(())
    })
}

/// For containers, which have no HTTP client.
fn health(port: u16) -> ExitCode {
    let ask = || -> std::io::Result<bool> {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
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

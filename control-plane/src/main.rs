//! `gatewright-control-plane`: one control plane.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use gatewright_control_plane::{ControlPlane, ControlSettings, StartError};
use gatewright_logging::LogSettings;
use rotate_keys::RotateKeys;
use tokio::signal::unix::{SignalKind, signal};

mod rotate_keys;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time for the health check.
const HEALTH_CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps the configuration of a fleet of gateways: admin API and stream to the nodes.
#[derive(Parser)]
#[command(
    name = "gatewright-control-plane",
    version,
    after_help = "`gatewright-control-plane rotate-keys` encrypts all secrets again, with the first master key."
)]
struct Command {
    #[command(flatten)]
    settings: ControlSettings,
    #[command(flatten)]
    log: LogSettings,
    /// Asks the control plane that runs with these settings whether it is ready, and ends.
    #[arg(long)]
    health_check: bool,
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1) {
        // A command of its own, since it needs none of the settings that a control plane must have.
        Some(word) if word == RotateKeys::NAME => {
            RotateKeys::parse_from(std::env::args().skip(1)).run()
        }
        _ => serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "gatewright-control-plane: {error:#}");
            let settings = error.downcast_ref::<StartError>();
            ExitCode::from(if settings.is_some_and(StartError::is_settings) {
                2
            } else {
                1
            })
        }
    }
}

fn serve() -> anyhow::Result<()> {
    let command = Command::parse();
    if command.health_check {
        health_check(&command.settings)
    } else {
        run(&command)
    }
}

#[tokio::main]
async fn run(command: &Command) -> anyhow::Result<()> {
    command.log.install()?;
    // Nobody else has installed one in this process.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let control_plane = ControlPlane::start(&command.settings).await?;
    let ended = tokio::select! {
        () = control_plane.ended() => true,
        _ = terminate.recv() => false,
        _ = tokio::signal::ctrl_c() => false,
    };
    control_plane.stop().await;
    if ended {
        bail!("the stream to the nodes failed");
    }
    Ok(())
}

/// Asks for `/readyz`; in TLS, whose names it cannot know, only whether anyone listens.
fn health_check(settings: &ControlSettings) -> anyhow::Result<()> {
    let mut address: SocketAddr = settings.admin_listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let connect = TcpStream::connect_timeout(&address, HEALTH_CHECK_TIMEOUT);
    let mut stream = connect.with_context(|| format!("nobody listens on {address}"))?;
    if settings.admin_cert.is_some() {
        return Ok(());
    }
    stream.set_read_timeout(Some(HEALTH_CHECK_TIMEOUT))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).context("no answer")?;
    if &status[9..] != b"200" {
        bail!("not ready: {}", String::from_utf8_lossy(&status));
    }
    Ok(())
}

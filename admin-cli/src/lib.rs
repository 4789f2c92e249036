//! `gatewright`: everything a person does with the gateway, as one command. It talks to the admin API; `dev`
//! runs both planes in this process; `validate` and `plugins` need neither.

mod client;
mod command;
pub mod echo;
mod file;
mod output;

use std::process::ExitCode;

use clap::Parser;
use tokio_util::sync::CancellationToken;

pub use client::{Client, Failure};
pub use command::{Command, dev};

/// The API gateway's command line.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    server: client::Server,
    /// How lists are written.
    #[arg(short, long, global = true, value_enum, default_value_t = output::Format::Table)]
    output: output::Format,
    #[command(subcommand)]
    command: Command,
}

/// Reads the arguments and runs the command. 0 is success, 1 failure, 2 differences or wrong usage.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    // Only the first call installs it; tests that run commands in one process are the others.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        token.cancel();
    });
    Box::pin(command::run(
        arguments.command,
        &arguments.server,
        arguments.output,
        stop,
    ))
    .await
}

fn failed(error: &anyhow::Error) -> ExitCode {
    output::error(&format!("{error:#}"));
    ExitCode::FAILURE
}

//! `gatewright`: everything a person does with the gateway, as one command. It talks to the admin API; `dev`
//! runs both planes in this process; `validate`, `explain` and `plugins` need neither.
//!
//! [`main`] is the process, [`run`] one command with its arguments and a [`Terminal`], for tests.

mod client;
mod command;
mod context;
pub mod echo;
mod file;
mod output;
mod terminal;

use std::{
    ffi::OsString,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser;
use tokio_util::sync::CancellationToken;

pub use client::{Client, Failure, Server};
pub use command::dev;
pub use terminal::Terminal;

/// Exit code: something failed.
const FAILED: u8 = 1;
/// Exit code of a process that writes to a pipe that nobody reads any more.
const BROKEN_PIPE: u8 = 141;

/// The API gateway's command line.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    connection: context::Connection,
    /// How answers are written.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    output: output::Format,
    #[command(subcommand)]
    command: command::Command,
}

/// The process: reads its arguments and runs the command until it ends or is told to.
pub fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    let mut terminal = Terminal::of_process();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into(), &mut terminal).into(),
    };
    let command = async {
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone()));
        run(std::env::args_os(), &mut terminal, stop).await
    };
    runtime.block_on(command).into()
}

/// Runs one command. Returns its exit code: 0 is success, 1 failure, 2 wrong usage or, from `diff`,
/// differences.
pub async fn run<I>(arguments: I, terminal: &mut Terminal<'_>, stop: CancellationToken) -> u8
where
    I: IntoIterator<Item: Into<OsString> + Clone>,
{
    // Only the first call installs it; tests that run commands in one process are the others.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, terminal),
    };
    let settings = command::Settings {
        connection: arguments.connection,
        format: arguments.output,
    };
    let command = command::run(arguments.command, &settings, terminal, stop);
    match Box::pin(command)
        .await
        .and_then(|code| Ok(terminal.out.flush().map(|()| code)?))
    {
        Ok(code) => code,
        Err(error) => report(&error, terminal),
    }
}

/// Prints help, the version or what is wrong with the arguments.
fn usage(error: &clap::Error, terminal: &mut Terminal<'_>) -> u8 {
    let text = error.render();
    let text = match terminal.colour {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    let to = match error.use_stderr() {
        true => &mut terminal.err,
        false => &mut terminal.out,
    };
    // There is nowhere to report a failure to.
    let _ = write!(to, "{text}").and_then(|()| to.flush());
    u8::try_from(error.exit_code()).unwrap_or(FAILED)
}

/// Prints why a command failed.
fn report(error: &anyhow::Error, terminal: &mut Terminal<'_>) -> u8 {
    let io = error.downcast_ref::<std::io::Error>();
    if io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        return BROKEN_PIPE;
    }
    let text = match error.downcast_ref::<file::Problems>() {
        Some(problems) => problems.render(terminal.colour),
        None => format!("{} {error:#}\n", terminal.red("error:")),
    };
    // There is nowhere else to report to.
    let _ = terminal.err.write_all(text.as_bytes());
    FAILED
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    stop.cancel();
}

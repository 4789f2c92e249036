//! How the processes of a fleet log: the same flags and the same forms, on standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// What is logged, and how.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// What is logged: `error`, `warn`, `info`, `debug`, or by module.
    #[arg(long, env = "GATEWRIGHT_LOG", default_value = "info")]
    log: String,
    /// How it is logged. Default: text on a terminal, JSON elsewhere.
    #[arg(long, env = "GATEWRIGHT_LOG_FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogSettings {
    /// Logs from now on, for all of the process.
    ///
    /// # Errors
    /// What is to be logged cannot be read.
    pub fn install(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.log).context("`--log` is not a filter")?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let default = match std::io::stderr().is_terminal() {
            true => LogFormat::Text,
            false => LogFormat::Json,
        };
        match self.log_format.unwrap_or(default) {
            LogFormat::Text => builder.init(),
            LogFormat::Json => builder.json().flatten_event(true).init(),
        }
        Ok(())
    }
}

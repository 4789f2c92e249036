//! `gatewright version`.

use serde_json::json;

use super::Settings;
use crate::{
    Terminal,
    output::{self, Format},
};

/// Prints the version.
pub(super) fn run(settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    match settings.format {
        Format::Json | Format::Yaml => {
            output::value(terminal, settings.format, &json!({"version": version}))
        }
        Format::Name => Ok(terminal.line(version)?),
        Format::Table => Ok(terminal.line(&format!("gatewright {version}"))?),
    }
}

//! `gatewright diff`: what `apply` would change.

use clap::Args;

use super::{
    Settings,
    plan::{self, Detail},
};
use crate::{
    Terminal,
    file::{self, Files},
    output::{self, Format},
};

/// Exit code: there are differences.
const DIFFERENT: u8 = 2;

/// Shows what `apply` would change.
#[derive(Args, Debug)]
pub(crate) struct Diff {
    #[command(flatten)]
    files: Files,
    /// Also what `sync` with these labels would delete.
    #[arg(short, long)]
    label: Option<String>,
}

impl Diff {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<u8> {
        let bundle = file::read(&self.files, &mut *terminal.input)?;
        let label = self.label.as_deref();
        let parameters = [
            ("dry_run", Some("true")),
            ("prune", label.map(|_| "true")),
            ("label", label),
        ];
        let plan = plan::send(&settings.client()?, &bundle, &parameters).await?;
        match settings.format {
            Format::Table => plan.write(terminal, Detail::Differences)?,
            Format::Name => plan.write(terminal, Detail::Lines)?,
            format => output::value(terminal, format, plan.answer())?,
        }
        Ok(if plan.is_empty() { 0 } else { DIFFERENT })
    }
}

//! `gatewright apply`: creates and replaces the resources of files, all or none.

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

/// Creates and replaces the resources of files.
#[derive(Args, Debug)]
pub(crate) struct Apply {
    #[command(flatten)]
    files: Files,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: Wait,
}

/// Whether to wait for the nodes.
#[derive(Args, Debug)]
pub(super) struct Wait {
    /// Return once every connected node has applied it; fail after this time, up to 60s.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30s"
    )]
    pub(super) wait: Option<String>,
}

impl Apply {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let bundle = file::read(&self.files, &mut *terminal.input)?;
        let parameters = [
            ("dry_run", self.dry_run.then_some("true")),
            ("wait", self.wait.wait.as_deref()),
        ];
        let plan = plan::send(&settings.client()?, &bundle, &parameters).await?;
        match settings.format {
            Format::Json | Format::Yaml => {
                return output::value(terminal, settings.format, plan.answer());
            }
            Format::Name => return plan.write(terminal, Detail::Lines),
            Format::Table => {}
        }
        let detail = match self.dry_run {
            true => Detail::Differences,
            false => Detail::Lines,
        };
        plan.write(terminal, detail)?;
        let summary = plan.summary();
        let said = match (self.dry_run, &self.wait.wait) {
            (true, _) => format!("{summary}; a dry run, nothing was changed"),
            (false, None) => format!("{summary}; revision {}", plan.revision()),
            (false, Some(_)) => {
                format!("{summary}; revision {} is in force", plan.revision())
            }
        };
        Ok(terminal.line(&said)?)
    }
}

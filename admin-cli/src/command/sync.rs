//! `gatewright sync`: applies files and deletes what is not in them, within a set of labels.

use anyhow::ensure;
use clap::Args;

use super::{
    Settings,
    apply::Wait,
    plan::{self, Detail},
};
use crate::{
    Terminal,
    file::{self, Files},
};

/// Applies files and deletes what is not in them.
#[derive(Args, Debug)]
pub(crate) struct Sync {
    #[command(flatten)]
    files: Files,
    /// Only resources with these labels are deleted, as `team=a,tier`.
    #[arg(short, long, required_unless_present = "all")]
    label: Option<String>,
    /// Anything that is not in the files is deleted.
    #[arg(long, conflicts_with = "label")]
    all: bool,
    /// Targets that registered themselves are deleted as well.
    #[arg(long)]
    registered: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

impl Sync {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<u8> {
        let bundle = file::read(&self.files, &mut *terminal.input)?;
        let client = settings.client()?;
        let prune = [
            ("prune", Some("true")),
            ("label", self.label.as_deref()),
            ("registered", self.registered.then_some("true")),
        ];
        let dry_run = [&prune[..], &[("dry_run", Some("true"))]].concat();
        let plan = plan::send(&client, &bundle, &dry_run).await?;
        plan.write(terminal, Detail::Differences)?;
        terminal.line(&plan.summary())?;
        if plan.is_empty() {
            return Ok(0);
        }
        if !self.yes {
            ensure!(
                terminal.interactive,
                "nobody is there to ask: look at the plan, then give --yes"
            );
            if !terminal.confirm("Apply this?")? {
                terminal.note("nothing was changed")?;
                return Ok(crate::FAILED);
            }
        }
        let wait = [&prune[..], &[("wait", self.wait.wait.as_deref())]].concat();
        let done = plan::send(&client, &bundle, &wait).await?;
        terminal.line(&format!("revision {}", done.revision()))?;
        Ok(0)
    }
}

//! `gatewright delete`.

use clap::Args;

use super::{Settings, apply::Wait, subject::Subject};
use crate::Terminal;

/// Deletes resources, one after the other.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    wait: Wait,
}

impl Delete {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let client = settings.client()?;
        let wait = self.wait.wait.as_deref();
        for key in self.subject.keys()? {
            let path = format!("/v1/{}/{}", key.kind.plural(), key.name);
            client.delete(&path, &[("wait", wait)]).await?;
            terminal.line(&terminal.red(&format!("- {key}")))?;
        }
        Ok(())
    }
}

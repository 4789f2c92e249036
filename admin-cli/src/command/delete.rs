//! `gatewright delete`.

use clap::Args;
use gatewright_proto::Kind;

use super::{Settings, apply::Wait, describe::check};
use crate::Terminal;

/// Deletes resources of a kind, one after the other.
#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// A kind, as `route`.
    #[arg(value_parser = super::kind)]
    kind: Kind,
    /// Names.
    #[arg(required = true)]
    names: Vec<String>,
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
        let (kind, wait) = (self.kind, self.wait.wait.as_deref());
        for name in &self.names {
            check(kind, name)?;
        }
        for name in &self.names {
            let path = format!("/v1/{}/{name}", kind.plural());
            client.delete(&path, &[("wait", wait)]).await?;
            terminal.line(&terminal.red(&format!("- {kind}/{name}")))?;
        }
        Ok(())
    }
}

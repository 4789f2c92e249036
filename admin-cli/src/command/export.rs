//! `gatewright export`.

use clap::Args;
use gatewright_proto::Kind;

use super::Settings;
use crate::{
    Terminal,
    output::{self, Format},
};

/// Prints everything in the form that `apply` takes. Write-only fields are left out.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// Only this kind.
    #[arg(value_parser = super::kind)]
    kind: Option<Kind>,
    /// Only resources with these labels, as `team=a,tier`.
    #[arg(short, long)]
    label: Option<String>,
    /// With targets that registered themselves.
    #[arg(long)]
    registered: bool,
}

impl Export {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let parameters = [
            ("kind", self.kind.map(Kind::plural)),
            ("label", self.label.as_deref()),
            ("registered", self.registered.then_some("true")),
        ];
        let document = settings.client()?.query("/v1/export", &parameters).await?;
        if settings.format == Format::Name {
            for (plural, items) in document.as_object().into_iter().flatten() {
                let known = super::kind(plural);
                let kind = known.map_or(plural.as_str(), |kind| kind.as_str());
                for item in items.as_array().into_iter().flatten() {
                    let name = output::cell(&item["name"]);
                    terminal.line(&format!("{kind}/{name}"))?;
                }
            }
            return Ok(());
        }
        output::value(terminal, settings.format, &document)
    }
}

//! `gatewright get`.

use clap::Args;
use gatewright_proto::Kind;

use super::Settings;
use crate::{
    Terminal,
    output::{self, Format, List},
};

/// Lists resources of a kind, or shows some.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// A kind, as `route` or `routes`.
    #[arg(value_parser = super::kind)]
    kind: Kind,
    /// Names. Default: all.
    names: Vec<String>,
    /// Only resources with these labels, as `team=a,tier`.
    #[arg(short, long, conflicts_with = "names")]
    label: Option<String>,
}

impl Get {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let client = settings.client()?;
        let path = format!("/v1/{}", self.kind.plural());
        let items = match self.names.as_slice() {
            [] => {
                client
                    .all(&path, &[("label", self.label.as_deref())])
                    .await?
            }
            names => {
                let mut items = Vec::with_capacity(names.len());
                for name in names {
                    super::describe::check(self.kind, name)?;
                    items.push(client.get(&format!("{path}/{name}")).await?);
                }
                items
            }
        };
        if let ([_], [item], Format::Json | Format::Yaml) =
            (self.names.as_slice(), items.as_slice(), settings.format)
        {
            return output::value(terminal, settings.format, item);
        }
        let list = List {
            title: self.kind.plural(),
            items,
            columns: columns(self.kind),
        };
        list.write(terminal, settings.format)
    }
}

const fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &["name", "url", "upstream", "enabled", "labels"],
        Kind::Route => &[
            "name", "service", "hosts", "paths", "methods", "enabled", "labels",
        ],
        Kind::Upstream => &["name", "balancer", "enabled", "labels"],
        Kind::Target => &["name", "upstream", "address", "weight", "enabled"],
        Kind::Consumer => &["name", "groups", "enabled", "labels"],
        Kind::ConsumerGroup | Kind::Secret => &["name", "enabled", "labels"],
        Kind::Credential => &["name", "consumer", "type", "prefix", "enabled"],
        Kind::Plugin => &["name", "type", "attach", "order", "mode", "enabled"],
        Kind::Certificate => &["name", "hosts", "enabled", "labels"],
    }
}

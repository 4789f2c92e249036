//! `gatewright get`.

use clap::Args;
use gatewright_proto::Kind;
use serde_json::Value;

use super::{Settings, subject::Subject};
use crate::{
    Terminal,
    output::{self, Format, List},
};

/// Lists resources of a kind, or shows some.
#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    subject: Subject,
    /// Only resources with these labels, as `team=a,tier`.
    #[arg(short, long)]
    label: Option<String>,
}

impl Get {
    pub(super) async fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let client = settings.client()?;
        if let Some(kind) = self.subject.only_kind() {
            let path = format!("/v1/{}", kind.plural());
            let labels = [("label", self.label.as_deref())];
            let items = client.all(&path, &labels).await?;
            return list(kind, items).write(terminal, settings.format);
        }
        anyhow::ensure!(
            self.label.is_none(),
            "labels select among all of a kind; give no names"
        );
        let keys = self.subject.keys()?;
        let mut by_kind: Vec<(Kind, Vec<Value>)> = Vec::new();
        for key in &keys {
            let path = format!("/v1/{}/{}", key.kind.plural(), key.name);
            let item = client.get(&path).await?;
            match by_kind.last_mut().filter(|(kind, _)| *kind == key.kind) {
                Some((_, items)) => items.push(item),
                None => by_kind.push((key.kind, vec![item])),
            }
        }
        for (kind, mut items) in by_kind {
            match (settings.format, items.pop()) {
                (Format::Json | Format::Yaml, Some(only)) if keys.len() == 1 => {
                    output::value(terminal, settings.format, &only)?;
                }
                (_, last) => {
                    items.extend(last);
                    list(kind, items).write(terminal, settings.format)?;
                }
            }
        }
        Ok(())
    }
}

fn list(kind: Kind, items: Vec<Value>) -> List<'static> {
    List {
        title: kind.plural(),
        items,
        columns: columns(kind),
    }
}

const fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &["name", "url", "upstream", "enabled", "labels"],
        Kind::Route => &[
            "name", "service", "hosts", "paths", "methods", "enabled", "labels",
        ],
        Kind::Upstream => &["name", "balancer", "enabled", "labels"],
        Kind::Target => &[
            "name", "upstream", "address", "weight", "priority", "enabled",
        ],
        Kind::Consumer => &["name", "groups", "enabled", "labels"],
        Kind::KeySet => &["name", "url", "issuer", "enabled"],
        Kind::ConsumerGroup => &["name", "enabled", "labels"],
        Kind::Secret => &["name", "source", "enabled", "labels"],
        Kind::Credential => &["name", "consumer", "type", "prefix", "enabled"],
        Kind::Plugin => &["name", "type", "attach", "order", "mode", "enabled"],
        Kind::Certificate => &["name", "hosts", "enabled", "labels"],
        Kind::Rollout => &["name", "route", "baseline", "canary", "enabled", "labels"],
    }
}

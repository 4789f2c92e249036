//! `gatewright export`.

use clap::Args;

use crate::{
    Client,
    output::{self, Format},
};

/// Print everything in the form that `apply` takes.
#[derive(Debug, Args)]
pub struct Export {
    /// Only one kind, by its plural.
    #[arg(long)]
    kind: Option<String>,
    /// Only with these labels, as `team=a`.
    #[arg(short, long)]
    label: Option<String>,
}

pub(super) async fn run(client: &Client, export: &Export, format: Format) -> anyhow::Result<()> {
    let mut path = "/v1/export?".to_owned();
    for (name, value) in [("kind", &export.kind), ("label", &export.label)] {
        if let Some(value) = value {
            path.push_str(&format!("{name}={value}&"));
        }
    }
    let document = client.get(path.trim_end_matches(['&', '?'])).await?;
    match format {
        Format::Json => output::line(&serde_json::to_string_pretty(&document)?),
        _ => output::line(serde_saphyr::to_string(&document)?.trim_end()),
    }
    Ok(())
}

//! `gatewright get` and `delete`.

use clap::Args;
use gatewright_proto::Kind;
use serde_json::Value;

use crate::{
    Client,
    output::{self, Format},
};

/// List resources of a kind, or show one.
#[derive(Debug, Args)]
pub struct Get {
    /// Kind, as `route` or `routes`.
    kind: String,
    /// Name; all of the kind without.
    name: Option<String>,
    /// Only with these labels, as `team=a`.
    #[arg(short, long)]
    label: Option<String>,
}

/// Delete a resource.
#[derive(Debug, Args)]
pub struct Delete {
    /// Kind, as `route`.
    kind: String,
    /// Name.
    name: String,
}

fn kind(text: &str) -> anyhow::Result<Kind> {
    let known = || {
        Kind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    text.parse()
        .map_err(|_| anyhow::anyhow!("`{text}` is not a kind; known are {}", known()))
}

pub(super) async fn get(client: &Client, get: &Get, format: Format) -> anyhow::Result<()> {
    let kind = kind(&get.kind)?;
    if let Some(name) = &get.name {
        let resource = client.get(&format!("/v1/{}/{name}", kind.plural())).await?;
        match format {
            Format::Json => output::line(&serde_json::to_string_pretty(&resource)?),
            Format::Name => output::line(name),
            Format::Yaml | Format::Table => {
                output::line(serde_saphyr::to_string(&resource)?.trim_end())
            }
        }
        return Ok(());
    }
    let label = get
        .label
        .as_ref()
        .map_or_else(String::new, |label| format!("&label={label}"));
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = client
            .get(&format!(
                "/v1/{}?limit=1000&after={after}{label}",
                kind.plural()
            ))
            .await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match &page["next"] {
            Value::String(next) => after.clone_from(next),
            _ => break,
        }
    }
    output::objects(format, &items, columns(kind))
}

pub(super) async fn delete(client: &Client, delete: &Delete) -> anyhow::Result<()> {
    let kind = kind(&delete.kind)?;
    client
        .delete(&format!("/v1/{}/{}", kind.plural(), delete.name))
        .await?;
    output::line(&format!("deleted {kind}/{}", delete.name));
    Ok(())
}

const fn columns(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &["name", "url", "upstream", "protocol"],
        Kind::Route => &["name", "service", "hosts", "paths", "methods"],
        Kind::Upstream => &["name", "balancer"],
        Kind::Target => &["name", "upstream", "address", "weight"],
        Kind::Consumer => &["name", "groups"],
        Kind::Credential => &["name", "consumer", "prefix"],
        Kind::Plugin => &["name", "type", "attach", "mode"],
        Kind::Certificate => &["name", "hosts"],
        Kind::ConsumerGroup | Kind::Secret => &["name", "labels"],
    }
}

//! `gatewright plugins`: offline, from what is built in.

use anyhow::Context as _;
use clap::Args;
use gatewright_engine::plugin::{PLUGINS, plugin_page};
use serde_json::json;

use crate::output::{self, Format};

/// List plugin types, or print a type's page.
#[derive(Debug, Args)]
pub struct Plugins {
    /// A type, as `rate-limit`.
    name: Option<String>,
}

pub(super) fn run(plugins: &Plugins, format: Format) -> anyhow::Result<()> {
    if let Some(name) = &plugins.name {
        let known = PLUGINS.iter().find(|it| it.name == name);
        let known = known.with_context(|| format!("there is no plugin type `{name}`"))?;
        output::line(&plugin_page(known));
        return Ok(());
    }
    let items: Vec<_> = PLUGINS
        .iter()
        .map(|it| json!({"type": it.name, "order": it.order, "summary": it.summary}))
        .collect();
    output::objects(format, &items, &["type", "order", "summary"])
}

//! `gatewright plugins`: the plugin types that are built in.

use clap::Args;
use gatewright_engine::plugin::{PLUGINS, PluginType, plugin_page};
use serde_json::{Value, json};

use super::Settings;
use crate::{
    Terminal,
    output::{self, Format, List},
};

/// Lists plugin types, or prints a type's page.
#[derive(Args, Debug)]
pub(crate) struct Plugins {
    /// A type, as `rate-limit`.
    name: Option<String>,
}

/// The type of this name.
///
/// # Errors
/// There is none, with the nearest one.
pub(super) fn plugin_type(name: &str) -> anyhow::Result<&'static PluginType> {
    let found = PLUGINS.iter().find(|known| known.name == name);
    found.ok_or_else(|| {
        let known: Vec<_> = PLUGINS.iter().map(|known| known.name).collect();
        let instead = gatewright_control_plane::document::instead(name, &known);
        anyhow::anyhow!("there is no plugin type `{name}`{instead}")
    })
}

impl Plugins {
    pub(super) fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        if let Some(name) = &self.name {
            let plugin = plugin_type(name)?;
            return match settings.format {
                Format::Json | Format::Yaml => {
                    let schema = (plugin.schema)().to_value();
                    output::value(terminal, settings.format, &schema)
                }
                Format::Name => Ok(terminal.line(plugin.name)?),
                Format::Table => Ok(terminal.line(plugin_page(plugin).trim_end())?),
            };
        }
        let item = |plugin: &PluginType| -> Value {
            json!({"type": plugin.name, "order": plugin.order, "summary": plugin.summary})
        };
        let list = List {
            title: "plugin_types",
            items: PLUGINS.iter().map(item).collect(),
            columns: &["type", "order", "summary"],
        };
        list.write(terminal, settings.format)
    }
}

//! `gatewright nodes`.

use serde_json::Value;

use super::Settings;
use crate::{
    Terminal,
    output::{self, Format, List},
};

const COLUMNS: [&str; 9] = [
    "node_id",
    "control_plane",
    "group",
    "version",
    "address",
    "applied_revision",
    "connected_seconds",
    "in_flight",
    "rejects",
];

/// Shows the nodes, what they have applied and refused.
pub(super) async fn run(settings: &Settings, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let answer = settings.client()?.get("/v1/nodes").await?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    if settings.format != Format::Table {
        let list = List {
            title: "nodes",
            items,
            columns: &COLUMNS,
        };
        return list.write(terminal, settings.format);
    }
    let rejects = |node: &Value| node["rejects"].as_array().cloned().unwrap_or_default();
    let row = |node: &Value| {
        let cell = |column: &&str| match *column {
            "rejects" => rejects(node).len().to_string(),
            column => output::cell(&node[column]),
        };
        COLUMNS.iter().map(cell).collect()
    };
    output::table(terminal, &COLUMNS, items.iter().map(row).collect())?;
    for node in &items {
        for reject in rejects(node) {
            let text = |field: &str| output::cell(&reject[field]);
            let (resource, field, reason) = (text("resource"), text("field"), text("reason"));
            let id = output::cell(&node["node_id"]);
            let line = format!("{id} refuses {resource}: {field}: {reason}");
            terminal.line(&terminal.red(&line))?;
        }
    }
    let head = output::cell(&answer["revision"]);
    Ok(terminal.line(&format!("the newest revision is {head}"))?)
}

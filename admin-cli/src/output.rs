//! What commands print.
#![allow(clippy::print_stdout)]

use std::io::Write as _;

use clap::ValueEnum;
use comfy_table::{Table, presets::NOTHING};
use serde_json::Value;

/// How lists are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// JSON, as the API gives it.
    Json,
    /// YAML.
    Yaml,
    /// Names alone, one a line.
    Name,
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Writes a line to standard error.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}

/// Writes objects in a format; `columns` are the fields that a table shows.
///
/// # Errors
/// A value that cannot be written as YAML.
pub(crate) fn objects(format: Format, items: &[Value], columns: &[&str]) -> anyhow::Result<()> {
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(items)?),
        Format::Yaml => print!("{}", serde_saphyr::to_string(&items)?),
        Format::Name => items
            .iter()
            .filter_map(name)
            .for_each(|name| println!("{name}")),
        Format::Table => {
            let mut table = Table::new();
            table.load_preset(NOTHING);
            table.set_header(columns.iter().map(|column| column.to_uppercase()));
            for item in items {
                table.add_row(columns.iter().map(|column| cell(&item[*column])));
            }
            println!("{table}");
        }
    }
    Ok(())
}

fn name(item: &Value) -> Option<&str> {
    ["name", "node_id", "type"]
        .iter()
        .find_map(|field| item[*field].as_str())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name}: {}", cell(value));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

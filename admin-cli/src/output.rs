//! What commands print: tables for people, JSON and YAML for programs, names for shells.

use std::io::Write as _;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};
use serde_json::Value;

use crate::Terminal;

/// Fields that people look for first, in this order; the others follow by name.
const FIRST: [&str; 9] = [
    "kind", "name", "type", "labels", "enabled", "consumer", "upstream", "service", "attach",
];

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// As the API gives it.
    Json,
    /// The same in YAML.
    Yaml,
    /// Names alone, one a line.
    Name,
}

/// Writes a line to the process' standard output, for commands that run until they are stopped.
#[allow(clippy::print_stdout)]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A value in YAML, with the fields in the order that people write them.
///
/// # Errors
/// A value that YAML cannot hold.
pub(crate) fn yaml(value: &Value) -> anyhow::Result<String> {
    let options = serde_saphyr::ser_options! {
        compact_list_indent: true,
    };
    Ok(serde_saphyr::to_string_with_options(
        &Ordered(value),
        options,
    )?)
}

/// Writes a value that has no table of its own: as YAML, unless JSON is asked for.
///
/// # Errors
/// Nobody reads it.
pub(crate) fn value(
    terminal: &mut Terminal<'_>,
    format: Format,
    value: &Value,
) -> anyhow::Result<()> {
    match format {
        Format::Json => writeln!(terminal.out, "{value:#}")?,
        _ => write!(terminal.out, "{}", yaml(value)?)?,
    }
    Ok(())
}

/// A list to write.
pub(crate) struct List<'a> {
    /// The name of the list in JSON and YAML, as in a file for `apply`.
    pub(crate) title: &'a str,
    /// Its items.
    pub(crate) items: Vec<Value>,
    /// The fields that a table shows; the first one is an item's name.
    pub(crate) columns: &'a [&'a str],
}

impl List<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// Nobody reads it.
    pub(crate) fn write(self, terminal: &mut Terminal<'_>, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json | Format::Yaml => {
                let mut list = serde_json::Map::new();
                list.insert(self.title.to_owned(), self.items.into());
                value(terminal, format, &list.into())
            }
            Format::Name => {
                for item in &self.items {
                    terminal.line(&cell(&item[self.columns[0]]))?;
                }
                Ok(())
            }
            Format::Table => {
                let rows = self.items.iter().map(|item| {
                    let cells = self.columns.iter().map(|column| cell(&item[*column]));
                    cells.collect()
                });
                Ok(table(terminal, self.columns, rows.collect())?)
            }
        }
    }
}

/// Writes a table.
///
/// # Errors
/// Nobody reads it.
pub(crate) fn table(
    terminal: &mut Terminal<'_>,
    columns: &[&str],
    rows: Vec<Vec<String>>,
) -> std::io::Result<()> {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(
            columns
                .iter()
                .map(|column| column.to_uppercase().replace('_', " ")),
        );
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        terminal.line(line.trim_end())?;
    }
    Ok(())
}

/// A value in a table, on one line.
pub(crate) fn cell(value: &Value) -> String {
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

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut list = out.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| list.serialize_element(&Ordered(item)))?;
                list.end()
            }
            Value::Object(fields) => {
                let first = FIRST.iter().filter_map(|name| fields.get_key_value(*name));
                let rest = fields
                    .iter()
                    .filter(|(name, _)| !FIRST.contains(&name.as_str()));
                let mut map = out.serialize_map(Some(fields.len()))?;
                for (name, value) in first.chain(rest) {
                    map.serialize_entry(name, &Ordered(value))?;
                }
                map.end()
            }
            scalar => scalar.serialize(out),
        }
    }
}

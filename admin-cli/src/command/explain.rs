//! `gatewright explain`: what a field means, from the JSON schemas.

use anyhow::{Context as _, bail};
use clap::Args;
use gatewright_control_plane::document::instead;
use gatewright_engine::plugin::PLUGINS;
use gatewright_proto::Kind;
use serde_json::{Map, Value};

use super::{Settings, plugins::plugin_type};
use crate::{
    Terminal,
    output::{self, Format},
};

/// Explains a kind, a plugin type, or a field of one.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// As `route`, `route.paths.prefix`, `rate-limit` or `rate-limit.limits.per`. Without: all of them.
    path: Option<String>,
}

impl Explain {
    pub(super) fn run(
        &self,
        settings: &Settings,
        terminal: &mut Terminal<'_>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.path else {
            let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
            for name in kinds.chain(PLUGINS.iter().map(|plugin| plugin.name)) {
                terminal.line(name)?;
            }
            return Ok(());
        };
        let mut names = path.split('.');
        let root = schema(names.next().unwrap_or_default())?;
        let (mut field, mut required) = (&root, false);
        let mut description = text(&root, field);
        for name in names {
            let name = name.trim_end_matches("[]");
            let holder = holder(&root, field);
            let fields = fields(&root, holder);
            let known: Vec<_> = fields.iter().map(|field| field.name).collect();
            let Some(found) = fields.iter().find(|known| known.name == name) else {
                bail!(
                    "{path}: there is no field `{name}`{}",
                    instead(name, &known)
                );
            };
            required = is_required(holder, name);
            description = found.text(&root);
            field = found.schema;
        }
        if settings.format != Format::Table {
            return output::value(terminal, settings.format, field);
        }
        let mark = if required { ", required" } else { "" };
        let heading = format!("{path}  ({}{mark})", kind(&root, field));
        terminal.line(&terminal.bold(&heading))?;
        paragraph(terminal, "  ", &description)?;
        write_fields(terminal, &root, field)
    }
}

fn write_fields(terminal: &mut Terminal<'_>, root: &Value, field: &Value) -> anyhow::Result<()> {
    let holder = holder(root, field);
    let fields = fields(root, holder);
    if fields.is_empty() {
        return Ok(());
    }
    terminal.line("")?;
    for known in fields {
        let (name, field) = (known.name, known.schema);
        let required = if is_required(holder, name) {
            ", required"
        } else {
            ""
        };
        let default = match field.get("default") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) if text.is_empty() => String::new(),
            Some(default) => format!(", default {default}"),
        };
        let heading = format!(
            "  {}  ({}{required}{default})",
            terminal.bold(name),
            kind(root, field)
        );
        terminal.line(&heading)?;
        paragraph(terminal, "      ", &known.text(root))?;
    }
    Ok(())
}

/// The schema of a kind or of a plugin type's settings.
fn schema(name: &str) -> anyhow::Result<Value> {
    if let Ok(kind) = name.parse::<Kind>() {
        let settings = schemars::generate::SchemaSettings::draft2020_12();
        return Ok(kind.schema(&mut settings.into_generator()).to_value());
    }
    if let Ok(plugin) = plugin_type(name) {
        return Ok((plugin.schema)().to_value());
    }
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    let known: Vec<_> = kinds
        .chain(PLUGINS.iter().map(|plugin| plugin.name))
        .collect();
    bail!(
        "`{name}` is neither a kind nor a plugin type{}",
        instead(name, &known)
    )
}

/// What a reference leads to.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str();
    let target = target.and_then(|target| root.pointer(target.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// What there may be apart from nothing.
fn something<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let schema = resolve(root, schema);
    let forms = schema["anyOf"].as_array().into_iter().flatten();
    let mut forms = forms.filter(|form| form["type"] != "null");
    match (forms.next(), forms.next()) {
        (Some(only), None) => something(root, only),
        _ => schema,
    }
}

/// The object that has the fields: the schema itself, or what its list holds.
fn holder<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let schema = something(root, schema);
    match schema.get("items") {
        Some(items) => something(root, items),
        None => schema,
    }
}

/// A field, and what it is for where its own schema does not say.
struct Field<'a> {
    name: &'a str,
    schema: &'a Value,
    form: Option<&'a str>,
}

impl Field<'_> {
    fn text(&self, root: &Value) -> String {
        self.form
            .map_or_else(|| text(root, self.schema), str::to_owned)
    }
}

/// The fields of an object, and the forms of one that has one of several.
fn fields<'a>(root: &'a Value, holder: &'a Value) -> Vec<Field<'a>> {
    let own = |holder: &'a Value, form: Option<&'a str>| {
        let fields = holder["properties"]
            .as_object()
            .into_iter()
            .flat_map(Map::iter);
        fields.map(move |(name, schema)| Field { name, schema, form })
    };
    let forms = ["oneOf", "anyOf"].into_iter();
    let forms = forms.flat_map(|key| holder[key].as_array().into_iter().flatten());
    let forms = forms.flat_map(|form| own(something(root, form), form["description"].as_str()));
    own(holder, None).chain(forms).collect()
}

fn is_required(holder: &Value, name: &str) -> bool {
    let required = holder["required"].as_array();
    required.is_some_and(|list| list.iter().any(|it| it == name))
}

fn text(root: &Value, schema: &Value) -> String {
    let described = [schema, something(root, schema), holder(root, schema)];
    let described = described.iter().find_map(|it| it["description"].as_str());
    described.unwrap_or_default().to_owned()
}

/// The type of a value, in words.
fn kind(root: &Value, schema: &Value) -> String {
    let schema = something(root, schema);
    let values = |list: &Vec<Value>| {
        list.iter()
            .map(output::cell)
            .collect::<Vec<_>>()
            .join(" | ")
    };
    if let Some(list) = schema["enum"].as_array() {
        return values(list);
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(root, items));
    }
    for key in ["oneOf", "anyOf"] {
        let Some(forms) = schema[key].as_array() else {
            continue;
        };
        let constants: Vec<_> = forms
            .iter()
            .filter_map(|form| form.get("const"))
            .cloned()
            .collect();
        if constants.len() == forms.len() {
            return values(&constants);
        }
        let objects = forms.iter().all(|form| form.get("properties").is_some());
        return match objects {
            true => "one of several forms".to_owned(),
            false => {
                let forms: Vec<_> = forms.iter().map(|form| kind(root, form)).collect();
                forms.join(" or ")
            }
        };
    }
    if let Some(value) = schema.get("const") {
        return output::cell(value);
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names = names
                .iter()
                .filter(|name| *name != "null")
                .map(output::cell);
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => "value".to_owned(),
    }
}

fn paragraph(terminal: &mut Terminal<'_>, indent: &str, text: &str) -> anyhow::Result<()> {
    let text = text.trim();
    for line in text.lines() {
        terminal
            .line(&format!("{indent}{line}"))
            .context("cannot write")?;
    }
    Ok(())
}

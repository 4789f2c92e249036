//! The page of documentation of a plugin type, made from what the type says of itself.

use std::fmt::Write as _;

use serde_json::Value;

use super::PluginType;

/// The page, in Markdown.
pub fn plugin_page(plugin: &PluginType) -> String {
    let mut page = format!(
        "# {}\n\n{}\n\n{}\n",
        plugin.name,
        plugin.summary,
        plugin.docs.trim()
    );
    let mode = if plugin.refuses {
        "May refuse, so `mode: shadow` can be used."
    } else {
        "Never refuses."
    };
    let attach = if plugin.per_consumer {
        "Attaches to everything, a service, a route, a consumer or a consumer group."
    } else {
        "Attaches to everything, a service or a route."
    };
    let example = plugin.example.trim_end().replace('\n', "\n    ");
    let _ = write!(
        page,
        "\nOrder {}. {mode} {attach}\n\n## Example\n\n```yaml\nplugins:\n- name: example\n  type: {}\n  attach: {{global: true}}\n  settings:\n    {example}\n```\n\n## Settings\n\n| field | type | default | |\n| --- | --- | --- | --- |\n",
        plugin.order, plugin.name
    );
    rows(&mut page, "", (plugin.schema)().as_value());
    page
}

/// A row a field, those of nested objects as `limits[].requests`.
fn rows(page: &mut String, prefix: &str, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    let required = schema["required"].as_array();
    for (name, field) in fields {
        let path = format!("{prefix}{name}");
        let must = required.is_some_and(|list| list.contains(&Value::from(name.as_str())));
        let default = match field.get("default") {
            _ if must => "required".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(default) => format!("`{default}`"),
        };
        let description = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ");
        let kind = kind(field);
        let _ = writeln!(page, "| `{path}` | {kind} | {default} | {description} |");
        rows(page, &format!("{path}."), field);
        rows(page, &format!("{path}[]."), &field["items"]);
    }
}

fn kind(field: &Value) -> String {
    if let Some(forms) = field["anyOf"]
        .as_array()
        .or_else(|| field["oneOf"].as_array())
    {
        let forms = forms.iter().map(kind).filter(|form| form != "null");
        return forms.collect::<Vec<_>>().join(" or ");
    }
    if let Some(names) = field["enum"].as_array() {
        return names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let mut names = match &field["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        other => Vec::from_iter(other.as_str()),
    };
    names.retain(|name| *name != "null");
    match names.first() {
        Some(&"array") => format!("list of {}", kind(&field["items"])),
        Some(&"object") if field["additionalProperties"].is_object() => {
            format!("map to {}", kind(&field["additionalProperties"]))
        }
        Some(name) => (*name).to_owned(),
        None => "any".to_owned(),
    }
}

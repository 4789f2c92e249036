//! The paths of schemas.

use serde_json::json;

use super::{operation::Operation, path::Paths};

pub(super) fn paths() -> Paths {
    let object = json!({"type": "object"});
    let get = |id: &str, summary: &str, parameter: Option<&str>| {
        let operation = Operation::new(id, "schemas", summary).answers(200, &object);
        let Some(name) = parameter else {
            return json!({"get": operation.done()});
        };
        let mut operation = operation.fails(&["NotFound"]).done();
        operation["parameters"] =
            json!([{"name": name, "in": "path", "required": true, "schema": {"type": "string"}}]);
        json!({"get": operation})
    };
    let kinds = get("list_schemas", "JSON schemas of all kinds", None);
    let kind = get("get_schema", "JSON schema of a kind", Some("kind"));
    let plugins = get(
        "list_plugin_types",
        "Plugin types, with their documentation",
        None,
    );
    let plugin = get(
        "get_plugin_schema",
        "JSON schema of a plugin type's settings",
        Some("type"),
    );
    vec![
        ("/v1/schemas".to_owned(), kinds),
        ("/v1/schemas/{kind}".to_owned(), kind),
        ("/v1/schemas/plugins".to_owned(), plugins),
        ("/v1/schemas/plugins/{type}".to_owned(), plugin),
    ]
}

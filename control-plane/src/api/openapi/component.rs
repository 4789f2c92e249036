//! What the paths share: schemas, parameters, answers.

use gatewright_proto::Kind;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{example, response::responses};

pub(super) fn components() -> Value {
    json!({
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of `GATEWRIGHT_ADMIN_TOKEN`.",
            },
        },
        "parameters": parameters(),
        "headers": headers(),
        "responses": responses(),
        "schemas": schemas(),
    })
}

/// Name of a kind's schema.
pub(super) fn schema_name(kind: Kind) -> String {
    let words = kind.as_str().split('_');
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    words.map(capital).collect()
}

fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    for &kind in Kind::ALL {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        let mut schema = kind.schema(&mut settings.into_generator()).to_value();
        let shared = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("components"))
            .and_then(|mut components| components.get_mut("schemas").map(Value::take));
        if let Some(Value::Object(shared)) = shared {
            schemas.extend(shared);
        }
        schema["examples"] = json!([example::of(kind)]);
        schemas.insert(schema_name(kind), schema);
    }
    schemas.insert("Problem".to_owned(), problem());
    schemas.insert("Change".to_owned(), change());
    schemas.insert("Plan".to_owned(), plan());
    schemas.insert("Bundle".to_owned(), bundle());
    schemas.insert("Revision".to_owned(), revision());
    schemas.insert("Audited".to_owned(), audited());
    schemas.insert("Node".to_owned(), node());
    schemas
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "code", "message", "errors"],
        "properties": {
            "type": {"type": "string", "const": "about:blank"},
            "title": {"type": "string", "description": "What the status says."},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "Stable, snake_case."},
            "message": {"type": "string", "description": "For people."},
            "errors": {
                "type": "array",
                "description": "Everything that is wrong.",
                "items": {
                    "type": "object",
                    "required": ["resource", "field", "code", "reason"],
                    "properties": {
                        "resource": {"type": "string", "description": "As `route/orders`; as `routes[3]` where it has no name."},
                        "field": {"type": "string", "description": "Path within the resource."},
                        "code": {"type": "string", "description": "Stable, snake_case."},
                        "reason": {"type": "string", "description": "For people."},
                    },
                },
            },
        },
    })
}

fn change() -> Value {
    let resource = json!({"type": ["object", "null"], "description": "Without write-only fields."});
    json!({
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "name": {"type": "string"},
            "action": {"enum": ["create", "update", "delete", "unchanged"]},
            "before": resource,
            "after": resource,
            "hidden": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Fields that changed and are not shown.",
            },
        },
    })
}

fn plan() -> Value {
    json!({
        "type": "object",
        "properties": {
            "revision": {"type": "integer", "description": "The one made; the present one where nothing changed."},
            "dry_run": {"type": "boolean"},
            "changes": list_of("Change"),
        },
    })
}

fn bundle() -> Value {
    let list = |kind: &Kind| (kind.plural().to_owned(), list_of(&schema_name(*kind)));
    let lists: Map<String, Value> = Kind::ALL.iter().map(list).collect();
    let of = |kind: &Kind| (kind.plural().to_owned(), json!([example::of(*kind)]));
    let shown = [Kind::Upstream, Kind::Target, Kind::Service, Kind::Route];
    let example: Map<String, Value> = shown.iter().map(of).collect();
    json!({
        "type": "object",
        "description": "One list a kind. Plugins may also stand in a list `plugins` of what they are attached to, without `attach`.",
        "properties": lists,
        "additionalProperties": false,
        "examples": [example],
    })
}

fn revision() -> Value {
    json!({
        "type": "object",
        "properties": {
            "revision": {"type": "integer"},
            "at_ms": {"type": "integer", "description": "When, in Unix milliseconds."},
            "author": {"type": "string", "description": "Name of the token."},
            "comment": {"type": "string", "description": "From the header `Gatewright-Comment`."},
            "changed": {"type": "integer"},
            "changes": list_of("Change"),
        },
    })
}

fn audited() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": {"type": "integer", "description": "Larger for later ones."},
            "at_ms": {"type": "integer", "description": "When, in Unix milliseconds."},
            "author": {"type": "string", "description": "Name of the token."},
            "action": {"type": "string", "description": "Method and path."},
            "address": {"type": "string", "description": "Where the request came from."},
            "request_id": {"type": "string"},
            "comment": {"type": "string", "description": "From the header `Gatewright-Comment`."},
            "outcome": {"type": "string", "description": "`committed`, `unchanged`, or the code of the refusal."},
            "revision": {"type": ["integer", "null"], "description": "The one it made."},
            "resources": {
                "type": "array",
                "items": {"type": "string"},
                "description": "What it was about, as `route/orders`; the first hundred.",
            },
        },
    })
}

fn node() -> Value {
    json!({
        "type": "object",
        "properties": {
            "node_id": {"type": "string"},
            "control_plane": {"type": "string", "description": "The one that it is connected to."},
            "group": {"type": "string"},
            "version": {"type": "string"},
            "state": {"enum": ["current", "behind", "stuck"]},
            "applied_revision": {"type": "integer"},
            "digest": {"type": "string", "description": "Hash of all that it holds."},
            "connected_since_ms": {"type": "integer", "description": "Unix milliseconds."},
            "connected_seconds": {"type": "integer"},
            "facts": {"type": "object", "description": "How its targets and services fare; only of one node."},
            "rejects": {
                "type": "array",
                "description": "What it refused, and why.",
                "items": {"$ref": "#/components/schemas/Problem/properties/errors/items"},
            },
        },
    })
}

fn list_of(name: &str) -> Value {
    json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{name}")}})
}

fn query(name: &str, schema: &Value, description: &str) -> Value {
    json!({"name": name, "in": "query", "schema": schema, "description": description})
}

fn header(name: &str, description: &str) -> Value {
    json!({"name": name, "in": "header", "schema": {"type": "string"}, "description": description})
}

fn parameters() -> Value {
    let text = json!({"type": "string"});
    let switch = json!({"type": "boolean", "default": false});
    let list = json!({"type": "array", "items": text});
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
    let name = json!({"name": "name", "in": "path", "required": true, "schema": text});
    let labels = "Only resources with this label: `key=value`, `key!=value`, `key` or `!key`. Several, separated by commas or repeated, must all be true.";
    json!({
        "name": name,
        "limit": query("limit", &limit, "Most items."),
        "before": query("before", &json!({"type": "integer"}), "`next` of the page before."),
        "after": query("after", &text, "`next` of the page before."),
        "label": query("label", &list, labels),
        "wait": query("wait", &text, "Answer once every connected node of the fleet has applied it: `5s`, up to `60s`."),
        "dry_run": query("dry_run", &switch, "Only say what would change."),
        "prune": query("prune", &switch, "Delete what is not given; with `label`, only among these."),
        "registered": query("registered", &switch, "Targets that registered themselves as well; they belong to their instances."),
        "kind": query("kind", &list, "Only resources of this kind. Repeat it for several."),
        "if_match": header("If-Match", "Only at this version, as `ETag` told it."),
        "if_none_match": header("If-None-Match", "Reads: 304 at this version. PUT: `*` creates and never replaces."),
        "comment": header("Gatewright-Comment", "What it is for; kept with the revision."),
    })
}

fn headers() -> Value {
    json!({
        "Revision": {
            "description": "The revision that was made, or that is shown.",
            "schema": {"type": "integer"},
        },
        "ETag": {"description": "The version.", "schema": {"type": "string"}},
    })
}

//! The API's description (OpenAPI 3.1), put together from the schemas of the kinds, and Swagger UI,
//! served from the binary.

use axum::{Json, Router, routing::get};
use gatewright_proto::Kind;
use serde_json::{Map, Value, json};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{Api, schema::schema};

pub(super) fn router() -> Router<Api> {
    let page = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    Router::new()
        .route("/openapi.json", get(|| async { Json(document()) }))
        .merge(page)
}

/// The whole document.
fn document() -> Value {
    let (mut schemas, mut paths) = (Map::new(), Map::new());
    for kind in Kind::ALL {
        let mut own = schema(*kind);
        lift_definitions(&mut own, &mut schemas);
        schemas.insert(kind.as_str().to_owned(), own);
        describe_kind(*kind, &mut paths);
    }
    schemas.insert("problem".to_owned(), problem());
    describe_rest(&mut paths);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatewright admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every write is one revision: checked with the nodes' own compiler, committed, and acknowledged by every node.",
        },
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    });
    document["components"]["schemas"] = Value::Object(schemas);
    document["paths"] = Value::Object(paths);
    document
}

/// Moves `$defs` to where OpenAPI keeps schemas, and points there.
fn lift_definitions(own: &mut Value, schemas: &mut Map<String, Value>) {
    fn point(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == "$ref" => {
                            *text = text.replace("#/$defs/", "#/components/schemas/");
                        }
                        other => point(other),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(point),
            _ => {}
        }
    }
    point(own);
    let definitions = own
        .as_object_mut()
        .and_then(|fields| fields.remove("$defs"));
    if let Some(Value::Object(definitions)) = definitions {
        schemas.extend(definitions);
    }
    if let Some(fields) = own.as_object_mut() {
        fields.remove("$schema");
    }
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457, with a stable code and everything that is wrong.",
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "code": {"type": "string"}, "message": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {
                "resource": {"type": "string"}, "field": {"type": "string"},
                "code": {"type": "string"}, "reason": {"type": "string"}}}},
        },
    })
}

fn parameter(place: &str, name: &str, description: &str) -> Value {
    json!({"in": place, "name": name, "required": place == "path", "description": description, "schema": {"type": "string"}})
}

fn answer(description: &str, reference: Option<&str>) -> Value {
    match reference {
        Some(name) => {
            json!({"description": description, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}}})
        }
        None => {
            json!({"description": description, "content": {"application/json": {"schema": {"type": "object"}}}})
        }
    }
}

fn operation(summary: &str, parameters: &[Value], status: &str, ok: Value) -> Value {
    let mut responses = Map::new();
    responses.insert(status.to_owned(), ok);
    let problem = json!({"description": "A problem", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}});
    responses.insert("default".to_owned(), problem);
    json!({"summary": summary, "parameters": parameters, "responses": responses})
}

fn describe_kind(kind: Kind, paths: &mut Map<String, Value>) {
    let (one, many) = (kind.as_str(), kind.plural());
    let body = json!({"required": true, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{one}")}}}});
    let name = parameter("path", "name", "Name of the resource");
    let wait = parameter(
        "query",
        "wait",
        "Return once every connected node has applied it, as `5s`",
    );
    let dry_run = parameter("query", "dry_run", "Only check");
    let if_match = parameter("header", "If-Match", "Entity tag that it must have");
    let paging = [
        parameter("query", "limit", "1 to 1000; default 100"),
        parameter("query", "after", "`next` of the page before"),
        parameter("query", "label", "Conditions, as `team=a,!old`"),
    ];
    let writing = [name.clone(), wait.clone(), dry_run.clone(), if_match];
    let mut create = operation(
        &format!("Create a {one}"),
        &[wait, dry_run],
        "201",
        answer("Created", Some(one)),
    );
    create["requestBody"] = body.clone();
    let mut put = operation(
        &format!("Create or replace a {one}"),
        &writing,
        "200",
        answer("Replaced; 201 where it was created", Some(one)),
    );
    put["requestBody"] = body;
    let mut patch = operation(
        &format!("Change a {one} by a JSON merge patch"),
        &writing,
        "200",
        answer("Changed", Some(one)),
    );
    patch["requestBody"] = json!({"required": true, "content": {"application/merge-patch+json": {"schema": {"type": "object"}}}});
    paths.insert(format!("/v1/{many}"), json!({
        "get": operation(&format!("List {many}"), &paging, "200", answer("`items`, and `next` where there are more", None)),
        "post": create,
    }));
    paths.insert(format!("/v1/{many}/{{name}}"), json!({
        "get": operation(&format!("Get a {one}"), &[name], "200", answer("It, with its ETag", Some(one))),
        "put": put,
        "patch": patch,
        "delete": operation(&format!("Delete a {one}"), &writing, "204", json!({"description": "Deleted"})),
    }));
}

// One row a path: a table, whatever its length.
#[allow(clippy::too_many_lines)]
fn describe_rest(paths: &mut Map<String, Value>) {
    let one = |text: &str| parameter("path", text, "Which");
    let get = |summary: &str, parameters: &[Value]| json!({"get": operation(summary, parameters, "200", answer("It", None))});
    let mut apply = operation(
        "Write many resources, all or none",
        &[
            parameter("query", "dry_run", "Only plan"),
            parameter("query", "prune", "Delete what is not in the document"),
            parameter("query", "label", "Prune only among these"),
            parameter("query", "wait", "As `5s`"),
        ],
        "200",
        answer("The revision and the changes", None),
    );
    apply["requestBody"] = json!({"required": true, "content": {
        "application/json": {"schema": {"type": "object"}}, "application/yaml": {"schema": {"type": "object"}}}});
    paths.insert("/v1/apply".to_owned(), json!({"post": apply}));
    for (path, summary, parameters) in [
        (
            "/v1/export",
            "Everything, in the form that apply takes",
            vec![
                parameter("query", "kind", "Plural"),
                parameter("query", "label", "Conditions"),
            ],
        ),
        (
            "/v1/revisions",
            "History, newest first",
            vec![
                parameter("query", "before", "`next` of the page before"),
                parameter("query", "limit", "1 to 500"),
            ],
        ),
        (
            "/v1/revisions/{revision}",
            "What one revision changed",
            vec![one("revision")],
        ),
        (
            "/v1/revisions/diff",
            "What differs between two revisions",
            vec![
                parameter("query", "from", "Revision"),
                parameter("query", "to", "Revision"),
            ],
        ),
        (
            "/v1/nodes",
            "Nodes, what they have applied and refused",
            vec![],
        ),
        ("/v1/schemas", "JSON schemas of all kinds", vec![]),
        (
            "/v1/schemas/{kind}",
            "JSON schema of one kind",
            vec![one("kind")],
        ),
        (
            "/v1/schemas/plugins/{type}",
            "JSON schema of a plugin's settings",
            vec![one("type")],
        ),
        ("/v1/plugins/types", "Plugin types", vec![]),
        (
            "/v1/routes/{name}/chain",
            "The plugins that a route's requests run through",
            vec![one("name")],
        ),
        (
            "/v1/{kinds}/{name}/{children}",
            "Children of a resource",
            vec![one("kinds"), one("name"), one("children")],
        ),
    ] {
        paths.insert(path.to_owned(), get(summary, &parameters));
    }
}

//! JSON schemas: of every kind, and of every plugin type's settings.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use gatewright_engine::plugin::PluginType;
use gatewright_proto::Kind;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Api, ApiError, path::Path, resource::kind};

/// `GET /v1/schemas`: those of all kinds.
pub(super) async fn list() -> Response {
    let schema = |kind: &Kind| (kind.as_str().to_owned(), of(*kind));
    let schemas: Map<String, Value> = Kind::ALL.iter().map(schema).collect();
    Json(schemas).into_response()
}

/// `GET /v1/schemas/{kind}`, the kind in the singular or plural.
pub(super) async fn of_kind(Path(name): Path<String>) -> Result<Response, ApiError> {
    let kind = match name.parse() {
        Ok(kind) => kind,
        Err(_) => kind(&name)?,
    };
    Ok(Json(of(kind)).into_response())
}

/// `GET /v1/schemas/plugins`: all plugin types, in the order they run.
pub(super) async fn plugin_types(State(api): State<Api>) -> Response {
    let types = &api.checker.registry().types;
    let items: Vec<Value> = types.iter().map(|it| describe(it)).collect();
    Json(json!({"items": items, "next": null})).into_response()
}

/// `GET /v1/schemas/plugins/{type}`: the schema of its settings.
pub(super) async fn plugin_type(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let known = api.checker.registry().find(&name);
    let known = known.ok_or_else(|| ApiError::NotFound(format!("plugin type `{name}`")))?;
    Ok(Json((known.schema)()).into_response())
}

fn of(kind: Kind) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    kind.schema(&mut generator).to_value()
}

fn describe(known: &PluginType) -> Value {
    json!({
        "name": known.name,
        "summary": known.summary,
        "docs": known.docs,
        "example": known.example,
        "order": known.order,
        "refuses": known.refuses,
        "per_consumer": known.per_consumer,
        "schema": (known.schema)(),
    })
}

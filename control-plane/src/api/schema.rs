//! JSON schemas of the kinds and of plugins' settings.

use axum::{
    Json,
    extract::{Path, State},
};
use gatewright_proto::Kind;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Api, error::ApiError, input};

/// The schema of a kind.
pub(super) fn schema(kind: Kind) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    kind.schema(&mut generator).to_value()
}

pub(super) async fn list() -> Json<Value> {
    let all: Map<String, Value> = Kind::ALL
        .iter()
        .map(|kind| (kind.plural().to_owned(), schema(*kind)))
        .collect();
    Json(Value::Object(all))
}

pub(super) async fn of_kind(Path(kinds): Path<String>) -> Result<Json<Value>, ApiError> {
    input::kind(&kinds).map(|kind| Json(schema(kind)))
}

pub(super) async fn of_plugin(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let known = api.checker.registry().find(&name);
    let known =
        known.ok_or_else(|| ApiError::NotFound(format!("there is no plugin type `{name}`")))?;
    Ok(Json((known.schema)().to_value()))
}

pub(super) async fn plugin_types(State(api): State<Api>) -> Json<Value> {
    let types = api.checker.registry().types.iter();
    let items: Vec<Value> = types
        .map(|it| json!({"type": it.name, "summary": it.summary, "order": it.order, "example": it.example}))
        .collect();
    Json(json!({"items": items}))
}

//! What is known of who calls, as an authorizer over gRPC is told it.

use std::sync::Arc;

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Map, Value as Json};

use crate::RequestContext;

/// What is known of who calls.
pub(super) fn identity(request: &RequestContext) -> Map<String, Json> {
    let consumer = request.consumer.as_ref();
    let claims = request.claims.as_ref();
    let texts = |list: &[Arc<str>]| -> Vec<Json> { list.iter().map(|it| (**it).into()).collect() };
    let mut groups = texts(consumer.map_or(&[][..], |it| &it.groups));
    groups.extend(texts(claims.map_or(&[][..], |it| &it.groups)));
    let credential = request.credential.as_ref();
    let mut scopes = texts(credential.map_or(&[][..], |it| &it.scopes));
    scopes.extend(texts(claims.map_or(&[][..], |it| &it.scopes)));
    let methods = request.authenticated_by.iter().map(|it| Json::from(*it));
    Map::from_iter([
        (
            "consumer".to_owned(),
            consumer.map_or(Json::Null, |it| (*it.name).into()),
        ),
        ("groups".to_owned(), groups.into()),
        ("scopes".to_owned(), scopes.into()),
        (
            "claims".to_owned(),
            claims.map_or(Json::Null, |it| it.values.clone().into()),
        ),
        ("authenticated_by".to_owned(), methods.collect()),
    ])
}

/// JSON as protobuf has it.
pub(super) fn object(members: Map<String, Json>) -> Struct {
    let fields = members.into_iter();
    Struct {
        fields: fields.map(|(name, json)| (name, value(json))).collect(),
    }
}

fn value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(is) => Kind::BoolValue(is),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(list) => Kind::ListValue(ListValue {
            values: list.into_iter().map(value).collect(),
        }),
        Json::Object(members) => Kind::StructValue(object(members)),
    };
    Value { kind: Some(kind) }
}

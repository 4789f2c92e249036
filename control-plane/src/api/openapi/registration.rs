//! The paths of targets that register themselves.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    path::{DOCUMENT_TYPES, Paths, page_of},
};
use crate::api::registration::{ALL, BEAT, BEATS, ONE};

const TAG: &str = "registrations";

pub(super) fn paths() -> Paths {
    vec![
        (ALL.to_owned(), json!({"get": list()})),
        (
            ONE.to_owned(),
            json!({"get": show(), "put": put(), "delete": leave()}),
        ),
        (BEAT.to_owned(), json!({"post": beat()})),
        (BEATS.to_owned(), json!({"post": beats()})),
    ]
}

/// A registration, as it is read.
fn registration() -> Value {
    let whole = |description: &str| json!({"type": "integer", "description": description});
    let mut schema = given();
    let properties = &mut schema["properties"];
    properties["instance"] = json!({"type": "string"});
    properties["upstream"] = json!({"type": "string"});
    properties["registered_by"] =
        json!({"type": "string", "description": "Name of the token that it was registered with."});
    properties["target"] = json!({"type": "string", "description": "Name of its target."});
    properties["seen_ms_ago"] = whole("How long ago it last gave a sign of life.");
    properties["left_ms"] = whole("When it would be taken away without another.");
    schema
}

/// What an instance says of itself.
fn given() -> Value {
    let field =
        |name: &str| json!({"$ref": format!("#/components/schemas/Target/properties/{name}")});
    json!({
        "type": "object",
        "properties": {
            "address": field("address"),
            "weight": field("weight"),
            "priority": field("priority"),
            "labels": field("labels"),
            "ttl_ms": field("ttl_ms"),
        },
    })
}

/// Adds the instance to the parameters.
fn of_instance(operation: Operation) -> Value {
    let mut operation = operation.fails(&["Forbidden", "NotFound"]).done();
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        let text = json!({"type": "string"});
        parameters
            .push(json!({"name": "instance", "in": "path", "required": true, "schema": text}));
    }
    operation
}

fn list() -> Value {
    let summary = "Targets that registered themselves with an upstream, with the time left to them";
    Operation::new("list_registrations", TAG, summary)
        .takes(&["name", "limit", "after", "label"])
        .answers(200, &page_of(&registration()))
        .fails(&["Forbidden", "NotFound"])
        .done()
}

fn show() -> Value {
    let operation = Operation::new("get_registration", TAG, "A registration");
    of_instance(operation.takes(&["name"]).answers(200, &registration()))
}

fn put() -> Value {
    let summary = "Register a target, change it, or say that it lives; what is left out stays";
    let example = json!({"address": "10.0.0.7:80", "ttl_ms": 15000});
    let operation = Operation::new("put_registration", TAG, summary)
        .takes(&["name", "wait"])
        .takes_body(DOCUMENT_TYPES, &given(), &example)
        .answers(200, &registration())
        .answers(201, &registration())
        .fails(&["Busy", "Conflict", "NotApplied"]);
    of_instance(operation)
}

fn leave() -> Value {
    let operation = Operation::new("delete_registration", TAG, "Leave at once")
        .takes(&["name", "wait"])
        .answers_empty(204, "It has left")
        .fails(&["NotApplied"]);
    of_instance(operation)
}

fn beat() -> Value {
    let operation = Operation::new("heartbeat", TAG, "Say that an instance lives");
    of_instance(operation.takes(&["name"]).answers_empty(204, "Noted"))
}

fn beats() -> Value {
    let names = json!({"type": "array", "items": {"type": "string"}});
    let body =
        json!({"type": "object", "required": ["instances"], "properties": {"instances": names}});
    let unknown = json!({"type": "object", "properties": {"unknown": names}});
    let summary =
        "Say that many instances live; the answer names those that have to register again";
    Operation::new("heartbeats", TAG, summary)
        .takes(&["name"])
        .takes_body(
            &DOCUMENT_TYPES[..1],
            &body,
            &json!({"instances": ["a", "b"]}),
        )
        .answers(200, &unknown)
        .fails(&["Forbidden"])
        .done()
}

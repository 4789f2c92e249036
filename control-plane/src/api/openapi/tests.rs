use gatewright_proto::{Key, Kind};
use serde_json::Value;

use super::{component::schema_name, document, example};

/// Every reference within a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_kind_is_described_and_every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for &kind in Kind::ALL {
        let schema = &document["components"]["schemas"][schema_name(kind)];
        let properties = schema["properties"].as_object().unwrap();
        assert!(properties.contains_key("labels"), "{kind}");
        let one = &document["paths"][format!("/v1/{}/{{name}}", kind.plural())];
        for method in ["get", "put", "patch", "delete"] {
            assert!(one[method].is_object(), "{method} {kind}");
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn examples_are_resources() {
    for &kind in Kind::ALL {
        let resource = kind.from_json(example::of(kind)).unwrap();
        assert_eq!(Key::of(&resource).kind, kind);
    }
}

#[test]
fn operations_have_different_names() {
    let document = document();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<&Value> = operations.map(|it| &it["operationId"]).collect();
    let count = ids.len();
    ids.sort_by_key(|id| id.to_string());
    ids.dedup();
    assert_eq!(ids.len(), count);
}

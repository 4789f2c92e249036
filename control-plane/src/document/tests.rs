use gatewright_proto::Kind;
use serde_json::json;

use super::read;

fn mistakes(kind: Kind, json: serde_json::Value) -> Vec<(String, String, &'static str, String)> {
    let reading = read(kind, json, "routes[3]");
    let row = |it: crate::write::Mistake| (it.resource, it.field, it.code, it.reason);
    reading.mistakes.into_iter().map(row).collect()
}

#[test]
fn every_mistake_of_a_resource_is_found_at_once() {
    let route = json!({
        "name": "orders", "servise": "a", "strip_prefix": 7,
        "paths": [{"prefix": "/a"}, {"prefixx": "/b"}], "hosts": ["a", 5],
    });
    let found = mistakes(Kind::Route, route);
    let fields: Vec<&str> = found.iter().map(|it| it.1.as_str()).collect();
    for field in ["servise", "strip_prefix", "paths[1]", "hosts[1]"] {
        assert!(fields.contains(&field), "{field} in {found:?}");
    }
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|it| it.0 == "route/orders"));
    let unknown = found.iter().find(|it| it.1 == "servise").unwrap();
    assert_eq!(unknown.2, "unknown_field");
    assert_eq!(
        unknown.3,
        "unknown field `servise`; did you mean `service`?"
    );
}

#[test]
fn a_resource_without_a_usable_name_is_named_by_its_place() {
    for json in [
        json!({}),
        json!({"name": "a/b"}),
        json!({"name": 5}),
        json!([]),
    ] {
        let found = mistakes(Kind::Route, json.clone());
        assert_eq!(found[0].0, "routes[3]", "{json}");
        assert_eq!(found.len(), 1, "{json}: {found:?}");
    }
}

#[test]
fn a_word_that_resembles_none_is_answered_with_the_list() {
    let found = mistakes(Kind::Secret, json!({"name": "a", "zzz": 1}));
    assert!(found[0].3.contains("known are `name`"), "{found:?}");
}

#[test]
fn what_is_right_is_read() {
    let reading = read(
        Kind::Route,
        json!({"name": "a", "paths": [{"exact": "/"}]}),
        "",
    );
    assert!(reading.mistakes.is_empty());
    assert_eq!(reading.resource.unwrap().name(), "a");
}

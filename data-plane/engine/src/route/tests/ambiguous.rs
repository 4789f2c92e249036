//! Routes that only their names tell apart.

use gatewright_proto::{Kind, Resource};
use serde_json::{Value, json};

use crate::{ResourceSet, compile, plugin::Registry};

/// The routes that are reported, with the one that wins over each.
fn reported(routes: &[Value]) -> Vec<(String, String)> {
    let read = |(place, route): (usize, &Value)| -> Resource {
        let mut route = route.clone();
        route["name"] = json!(format!("r{place:03}"));
        route["redirect"] = json!({"host": "b.test"});
        Kind::Route.from_json(route).unwrap()
    };
    let set: ResourceSet = routes.iter().enumerate().map(read).collect();
    let errors = compile(1, &set, &Registry::default(), None).errors;
    let pair = |error: crate::CompileError| {
        assert_eq!(error.code, "ambiguous_route", "{error}");
        let first = error
            .reason
            .split('`')
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        (error.key.name, first)
    };
    errors.into_iter().map(pair).collect()
}

fn are_told_apart(one: &Value, other: &Value) {
    assert_eq!(reported(&[one.clone(), other.clone()]), [], "{one} {other}");
}

fn are_not(one: &Value, other: &Value) {
    let pair = [("r001".to_owned(), "r000".to_owned())];
    assert_eq!(
        reported(&[one.clone(), other.clone()]),
        pair,
        "{one} {other}"
    );
}

#[test]
fn the_same_conditions_in_another_order_are_the_same() {
    are_not(&json!({}), &json!({}));
    are_not(
        &json!({"query": [{"name": "a"}, {"name": "b", "value": {"exact": "1"}}]}),
        &json!({"query": [{"name": "b", "value": {"exact": "1"}}, {"name": "a", "value": {"present": true}}]}),
    );
    are_not(
        &json!({"source_addresses": {"client": ["10.0.0.0/9", "10.128.0.0/9"]}}),
        &json!({"source_addresses": {"client": ["10.0.0.0/8"]}}),
    );
    are_not(
        &json!({"server_names": ["a.test", "b.test"], "methods": ["GET", "PUT"]}),
        &json!({"server_names": ["B.test", "a.test"], "methods": ["PUT"]}),
    );
    are_not(
        &json!({"when": "request.method == 'GET'"}),
        &json!({"when": "request.method == 'GET'"}),
    );
    let body = |bytes: u32| json!({"body": {"json": [{"pointer": "/a"}], "max_bytes": bytes}});
    are_not(&body(1), &body(2));
    are_not(&json!({"priority": 3}), &json!({"priority": 3}));
    are_not(
        &json!({"paths": [{"template": "/{a}"}]}),
        &json!({"paths": [{"template": "/{b}"}]}),
    );
}

#[test]
fn what_differs_in_a_condition_is_never_refused() {
    let value =
        |field: &str, value: &str| json!({field: [{"name": "v", "value": {"exact": value}}]});
    for field in ["query", "cookies", "headers"] {
        are_told_apart(&value(field, "1"), &value(field, "2"));
        are_told_apart(&json!({}), &value(field, "1"));
    }
    are_told_apart(&value("query", "1"), &value("cookies", "1"));
    are_told_apart(&json!({"priority": 1}), &json!({}));
    are_told_apart(&json!({"methods": ["GET"]}), &json!({"methods": ["PUT"]}));
    are_told_apart(&json!({"methods": ["GET"]}), &json!({}));
    are_told_apart(
        &json!({"source_addresses": {"client": ["10.0.0.0/8"]}}),
        &json!({"source_addresses": {"peer": ["10.0.0.0/8"]}}),
    );
    are_told_apart(
        &json!({"server_names": ["a.test"]}),
        &json!({"server_names": ["b.test"]}),
    );
    let body = |kind: &str, place: &str| json!({"body": {kind: [{place: "/a"}]}});
    are_told_apart(&body("json", "pointer"), &body("xml", "path"));
    let grpc = |method: &str| json!({"body": {"grpc": {"service": "s", "method": method}}});
    are_told_apart(&grpc("A"), &grpc("B"));
}

#[test]
fn a_thousand_on_one_path_are_checked_and_each_is_reported_once() {
    let told_apart = |it: usize| json!({"paths": [{"exact": "/a"}], "query": [{"name": "v", "value": {"exact": it.to_string()}}]});
    let routes: Vec<Value> = (0..1000).map(told_apart).collect();
    assert_eq!(reported(&routes), []);
    let routes = vec![json!({"paths": [{"prefix": "/a"}, {"exact": "/a"}]}); 999];
    let reported = reported(&routes);
    assert_eq!(reported.len(), 998);
    assert!(reported.iter().all(|(_, first)| first == "r000"));
}

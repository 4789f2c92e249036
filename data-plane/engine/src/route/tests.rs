//! Routes by example; in `order` the total order, in `naive` the index against a matcher without one.

mod ambiguous;
mod naive;
mod order;
mod regexes;

use std::sync::Arc;

use gatewright_proto::{Kind, Resource};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{Miss, Payload, Query};
use crate::{ResourceSet, Snapshot, compile, plugin::Registry};

/// Routes to a service beside them.
fn set(routes: &[Value]) -> ResourceSet {
    let service = json!({"name": "s", "url": "http://s"});
    let mut set = vec![Kind::Service.from_json(service).unwrap()];
    for (place, route) in routes.iter().enumerate() {
        let mut route = route.clone();
        route["service"] = json!("s");
        if route["name"].is_null() {
            route["name"] = json!(format!("r{place}"));
        }
        set.push(Kind::Route.from_json(route).unwrap());
    }
    set.into_iter().collect()
}

fn snapshot(routes: &[Value]) -> Snapshot {
    let compiled = compile(1, &set(routes), &Registry::default(), None);
    let serious = |error: &&crate::CompileError| error.code != "ambiguous_route";
    assert_eq!(compiled.errors.iter().find(serious), None);
    compiled.snapshot
}

/// A request from nowhere in particular.
fn request<'a>(
    host: &'a str,
    path: &'a str,
    method: &'a Method,
    headers: &'a HeaderMap,
) -> Query<'a> {
    Query {
        host,
        path,
        query: None,
        method,
        headers,
        client: [192, 0, 2, 1].into(),
        peer: [192, 0, 2, 1].into(),
        secure: false,
        server_name: None,
        body: Payload::None,
    }
}

fn find(snapshot: &Snapshot, method: &str, host: &str, path: &str) -> Result<String, Miss> {
    let (method, headers) = (method.parse().unwrap(), HeaderMap::new());
    snapshot
        .find(&request(host, path, &method, &headers))
        .map(|found| found.route.name.to_string())
}

fn get(snapshot: &Snapshot, host: &str, path: &str) -> String {
    find(snapshot, "GET", host, path).unwrap_or_default()
}

#[test]
fn a_template_gives_its_parameters_and_a_prefix_its_length() {
    let snapshot = snapshot(&[
        json!({"name": "t", "paths": [{"template": "/c/{customer}/o/{order}"}]}),
        json!({"name": "p", "paths": [{"prefix": "/api"}]}),
    ]);
    let method = Method::GET;
    let headers = HeaderMap::new();
    let query = |path| request("h", path, &method, &headers);
    let path = "/c/alice/o/7";
    let found = snapshot.find(&query(path)).unwrap();
    let parameters: Vec<(&str, &str)> = found
        .parameters
        .iter()
        .map(|(name, range)| (&**name, &path[range.clone()]))
        .collect();
    assert_eq!(parameters, [("customer", "alice"), ("order", "7")]);
    assert_eq!(snapshot.find(&query("/api/x")).unwrap().prefix_bytes, 4);
    assert_eq!(snapshot.find(&query("/c//o/7")).unwrap_err(), Miss::NoRoute);
}

#[test]
fn a_method_that_does_not_fit_leads_on_and_then_to_405() {
    let snapshot = snapshot(&[
        json!({"name": "write", "paths": [{"exact": "/a"}], "methods": ["PUT", "DELETE"]}),
        json!({"name": "read", "paths": [{"prefix": "/a"}], "methods": ["GET"]}),
    ]);
    assert_eq!(find(&snapshot, "PUT", "h", "/a"), Ok("write".to_owned()));
    assert_eq!(find(&snapshot, "GET", "h", "/a"), Ok("read".to_owned()));
    let allowed = vec![Method::DELETE, Method::GET, Method::PUT];
    assert_eq!(
        find(&snapshot, "POST", "h", "/a"),
        Err(Miss::MethodNotAllowed(allowed))
    );
    assert_eq!(find(&snapshot, "POST", "h", "/b"), Err(Miss::NoRoute));
}

#[test]
fn more_header_matches_go_first_and_absence_can_be_asked_for() {
    let snapshot = snapshot(&[
        json!({"name": "plain"}),
        json!({"name": "canary", "headers": [{"name": "X-Canary", "value": {"exact": "yes"}}]}),
        json!({"name": "both", "headers": [
            {"name": "x-canary", "value": {"regex": "y.*"}}, {"name": "x-old", "value": {"present": false}}]}),
    ]);
    let with = |fields: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let query = request("h", "/", &Method::GET, &headers);
        snapshot.find(&query).unwrap().route.name.to_string()
    };
    assert_eq!(with(&[]), "plain");
    assert_eq!(with(&[("x-canary", "yes")]), "both");
    assert_eq!(
        with(&[("x-canary", "no"), ("x-canary", "yes"), ("x-old", "1")]),
        "canary"
    );
}

#[test]
fn unchanged_plugins_are_taken_over() {
    let resources = |url: &str| -> ResourceSet {
        let service = Kind::Service
            .from_json(json!({"name": "s", "url": url}))
            .unwrap();
        let plugin = json!({"name": "p", "type": "headers", "attach": {"global": true},
            "settings": {"request": {"remove": ["a"]}}});
        let plugin: Resource = Kind::Plugin.from_json(plugin).unwrap();
        let route = Kind::Route
            .from_json(json!({"name": "r", "service": "s"}))
            .unwrap();
        [service, plugin, route].into_iter().collect()
    };
    let registry = Registry::default();
    let first = compile(1, &resources("http://a"), &registry, None);
    assert_eq!(first.errors, []);
    let second = compile(2, &resources("http://b"), &registry, Some(&first.snapshot));
    let instance = |snapshot: &Snapshot| Arc::clone(&snapshot.routes[0].chain.instances[0]);
    assert!(Arc::ptr_eq(
        &instance(&first.snapshot),
        &instance(&second.snapshot)
    ));
}

#[test]
fn an_endless_host_matches_no_wildcard_and_costs_nothing() {
    let snapshot = snapshot(&[json!({"name": "wide", "hosts": ["*.test"]})]);
    let host = format!("{}test", "a.".repeat(100));
    assert_eq!(get(&snapshot, &host, "/"), "wide");
    let host = format!("{}test", "a.".repeat(4000));
    assert_eq!(get(&snapshot, &host, "/"), "");
}

#[test]
fn equal_regular_expressions_are_compiled_once() {
    let snapshot = snapshot(&[
        json!({"paths": [{"regex": "/a+"}], "methods": ["GET"]}),
        json!({"paths": [{"regex": "/a+"}], "methods": ["PUT"]}),
    ]);
    assert_eq!(snapshot.patterns.len(), 1);
    assert_eq!(get(&snapshot, "h", "/aa"), "r0");
}

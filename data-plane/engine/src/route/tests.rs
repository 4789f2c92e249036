use std::sync::Arc;

use gatewright_proto::{Kind, Resource};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Miss, Query};
use crate::{ResourceSet, Snapshot, compile, plugin::Registry};

fn snapshot(routes: &[Value]) -> Snapshot {
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
    let compiled = compile(
        1,
        &set.into_iter().collect::<ResourceSet>(),
        &Registry::default(),
        None,
    );
    let serious = |error: &&crate::CompileError| error.code != "ambiguous_route";
    assert_eq!(compiled.errors.iter().find(serious), None);
    compiled.snapshot
}

fn find(snapshot: &Snapshot, method: &str, host: &str, path: &str) -> Result<String, Miss> {
    let query = Query {
        host,
        path,
        method: &method.parse().unwrap(),
        headers: &HeaderMap::new(),
    };
    snapshot
        .find(&query)
        .map(|found| found.route.name.to_string())
}

fn get(snapshot: &Snapshot, host: &str, path: &str) -> String {
    find(snapshot, "GET", host, path).unwrap_or_default()
}

#[test]
fn an_exact_host_goes_before_wildcards_and_the_longer_wildcard_first() {
    let snapshot = snapshot(&[
        json!({"name": "any"}),
        json!({"name": "wide", "hosts": ["*.example.com"]}),
        json!({"name": "narrow", "hosts": ["*.eu.example.com"]}),
        json!({"name": "exact", "hosts": ["a.eu.example.com"]}),
    ]);
    assert_eq!(get(&snapshot, "a.eu.example.com", "/"), "exact");
    assert_eq!(get(&snapshot, "b.eu.example.com", "/"), "narrow");
    assert_eq!(get(&snapshot, "x.y.example.com", "/"), "wide");
    assert_eq!(
        get(&snapshot, "example.com", "/"),
        "any",
        "a wildcard stands for a label at least"
    );
}

#[test]
fn paths_go_from_exact_over_template_and_regex_to_the_longest_prefix() {
    let snapshot = snapshot(&[
        json!({"name": "any"}),
        json!({"name": "root", "paths": [{"prefix": "/"}]}),
        json!({"name": "orders", "paths": [{"prefix": "/orders/"}]}),
        json!({"name": "deep", "paths": [{"prefix": "/orders/7/items"}]}),
        json!({"name": "regex", "paths": [{"regex": "/orders/[0-9]+/total"}]}),
        json!({"name": "one", "paths": [{"template": "/orders/{id}"}]}),
        json!({"name": "new", "paths": [{"template": "/orders/new"}]}),
        json!({"name": "exact", "paths": [{"exact": "/orders/42"}]}),
    ]);
    let path = |path| get(&snapshot, "h", path);
    assert_eq!(path("/orders/42"), "exact");
    assert_eq!(path("/orders/new"), "new");
    assert_eq!(path("/orders/7"), "one");
    assert_eq!(path("/orders/7/total"), "regex");
    assert_eq!(path("/orders/7/items/3"), "deep");
    assert_eq!(path("/orders"), "orders");
    assert_eq!(path("/orders/"), "orders");
    assert_eq!(path("/orders/7/other"), "orders");
    assert_eq!(path("/orders2"), "root", "a prefix is whole segments");
}

#[test]
fn a_template_gives_its_parameters_and_a_prefix_its_length() {
    let snapshot = snapshot(&[
        json!({"name": "t", "paths": [{"template": "/c/{customer}/o/{order}"}]}),
        json!({"name": "p", "paths": [{"prefix": "/api"}]}),
    ]);
    let method = Method::GET;
    let headers = HeaderMap::new();
    let query = |path| Query {
        host: "h",
        path,
        method: &method,
        headers: &headers,
    };
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
        let query = Query {
            host: "h",
            path: "/",
            method: &Method::GET,
            headers: &headers,
        };
        snapshot.find(&query).unwrap().route.name.to_string()
    };
    assert_eq!(with(&[]), "plain");
    assert_eq!(with(&[("x-canary", "yes")]), "both");
    assert_eq!(
        with(&[("x-canary", "no"), ("x-canary", "yes"), ("x-old", "1")]),
        "canary"
    );
}

/// The documented order, spelled out naively.
fn naive(routes: &[Value], method: &str, host: &str, path: &str) -> Option<String> {
    let mut best: Option<(Vec<i64>, String)> = None;
    for route in routes {
        let host_rank = rank_host(route["hosts"][0].as_str(), host);
        let path_rank = rank_path(route["paths"][0].as_object(), path);
        let methods = route["methods"].as_array();
        let accepts = methods.is_none_or(|list| list.iter().any(|it| it == method));
        let (Some(mut rank), Some(path_rank), true) = (host_rank, path_rank, accepts) else {
            continue;
        };
        rank.extend(path_rank);
        rank.push(i64::from(methods.is_none()));
        let place = (rank, route["name"].as_str().unwrap().to_owned());
        if best.as_ref().is_none_or(|best| place < *best) {
            best = Some(place);
        }
    }
    best.map(|(_, name)| name)
}

fn rank_host(rule: Option<&str>, host: &str) -> Option<Vec<i64>> {
    match rule {
        None => Some(vec![2, 0]),
        Some(rule) => match rule.strip_prefix('*') {
            None => (rule == host).then(|| vec![0, 0]),
            Some(suffix) => host
                .ends_with(suffix)
                .then(|| vec![1, -(suffix.len() as i64)]),
        },
    }
}

fn rank_path(rule: Option<&serde_json::Map<String, Value>>, path: &str) -> Option<Vec<i64>> {
    let Some((form, rule)) = rule.and_then(|rule| rule.iter().next()) else {
        return Some(vec![4, 0, 0, 0]);
    };
    let rule = rule.as_str().unwrap();
    let segments: Vec<&str> = path[1..].split('/').collect();
    match form.as_str() {
        "exact" => (rule == path).then(|| vec![0, 0, 0, 0]),
        "template" => {
            let wanted: Vec<&str> = rule[1..].split('/').collect();
            let fits = |(want, have): (&&str, &&str)| {
                want.starts_with('{') && !have.is_empty() || want == have
            };
            let same = wanted.len() == segments.len() && wanted.iter().zip(&segments).all(fits);
            let mut rank = vec![1];
            rank.extend(
                (0..3).map(|place| {
                    i64::from(wanted.get(place).is_some_and(|it| it.starts_with('{')))
                }),
            );
            same.then_some(rank)
        }
        "prefix" => {
            let rule = rule.trim_end_matches('/');
            let rest = path.strip_prefix(rule)?;
            let count = rule.matches('/').count() as i64;
            (rest.is_empty() || rest.starts_with('/')).then(|| vec![3, -count, 0, 0])
        }
        other => panic!("{other}"),
    }
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("ab".to_owned())
    ]
}

fn any_route() -> impl Strategy<Value = Value> {
    let hosts = prop_oneof![
        Just(json!([])),
        Just(json!(["x.test"])),
        Just(json!(["*.test"])),
        Just(json!(["*.x.test"])),
        Just(json!(["y.x.test"])),
    ];
    let parameters = prop_oneof![3 => segment(), 2 => Just("{}".to_owned())];
    let paths = prop_oneof![
        Just(json!([])),
        prop::collection::vec(segment(), 0..3)
            .prop_map(|list| json!([{"exact": format!("/{}", list.join("/"))}])),
        prop::collection::vec(segment(), 0..3)
            .prop_map(|list| json!([{"prefix": format!("/{}", list.join("/"))}])),
        prop::collection::vec(parameters, 1..4).prop_map(|list| {
            let named = list
                .iter()
                .enumerate()
                .map(|(place, it)| it.replace("{}", &format!("{{p{place}}}")));
            json!([{"template": format!("/{}", named.collect::<Vec<_>>().join("/"))}])
        }),
    ];
    let methods = prop_oneof![Just(json!([])), Just(json!(["GET"])), Just(json!(["PUT"]))];
    (hosts, paths, methods).prop_map(|(hosts, paths, methods)| {
        let mut route = json!({});
        for (name, list) in [("hosts", hosts), ("paths", paths), ("methods", methods)] {
            if list != json!([]) {
                route[name] = list;
            }
        }
        route
    })
}

proptest! {
    #[test]
    fn the_index_finds_what_the_documented_order_says(
        mut routes in prop::collection::vec(any_route(), 0..24),
        host in prop_oneof![Just("x.test"), Just("y.x.test"), Just("z.test"), Just("other")],
        path in prop::collection::vec(segment(), 0..4).prop_map(|list| format!("/{}", list.join("/"))),
        method in prop_oneof![Just("GET"), Just("PUT")],
    ) {
        for (place, route) in routes.iter_mut().enumerate() {
            route["name"] = json!(format!("r{place:02}"));
        }
        let found = find(&snapshot(&routes), method, host, &path).ok();
        prop_assert_eq!(found, naive(&routes, method, host, &path));
    }
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

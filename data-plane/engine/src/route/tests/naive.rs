//! The index against a matcher that tries all routes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{order::taken, snapshot};

/// The documented order, spelled out naively.
fn naive(routes: &[Value], request: &Value) -> Option<String> {
    let mut best: Option<(Vec<i64>, String)> = None;
    for route in routes {
        let host_rank = rank_host(
            route["hosts"][0].as_str(),
            request["host"].as_str().unwrap(),
        );
        let path_rank = rank_path(
            route["paths"][0].as_object(),
            request["path"].as_str().unwrap(),
        );
        let (Some(mut rank), Some(path_rank), Some(count)) =
            (host_rank, path_rank, count_conditions(route, request))
        else {
            continue;
        };
        rank.push(-route["priority"].as_i64().unwrap_or(0));
        rank.extend(path_rank);
        rank.push(i64::from(route["methods"].is_null()));
        rank.push(-count);
        let place = (rank, route["name"].as_str().unwrap().to_owned());
        if best.as_ref().is_none_or(|best| place < *best) {
            best = Some(place);
        }
    }
    best.map(|(_, name)| name)
}

/// How many conditions there are, where all hold.
fn count_conditions(route: &Value, request: &Value) -> Option<i64> {
    let has = |list: Option<&str>, between: char, name: &Value, value: &Value| {
        let pair = format!("{}={}", name.as_str().unwrap(), value.as_str().unwrap());
        list.is_some_and(|list| list.split(between).any(|it| it == pair))
    };
    let mut held = Vec::new();
    if let Some(methods) = route["methods"].as_array() {
        methods.contains(&request["method"]).then_some(())?;
    }
    for rule in route["query"].as_array().into_iter().flatten() {
        let query = request["query"].as_str();
        held.push(has(query, '&', &rule["name"], &rule["value"]["exact"]));
    }
    for rule in route["cookies"].as_array().into_iter().flatten() {
        let cookie = request["headers"]["cookie"].as_str();
        held.push(has(cookie, ';', &rule["name"], &rule["value"]["exact"]));
    }
    for rule in route["headers"].as_array().into_iter().flatten() {
        let value = &request["headers"][rule["name"].as_str().unwrap()];
        held.push(*value == rule["value"]["exact"]);
    }
    for side in ["client", "peer"] {
        // All networks here end at a dot.
        if let Some(network) = route["source_addresses"][side][0].as_str() {
            let beginning = network.split('/').next().unwrap().trim_end_matches(".0");
            let address = request[side].as_str().unwrap();
            held.push(address.starts_with(&format!("{beginning}.")));
        }
    }
    if let Some(name) = route["server_names"][0].as_str() {
        held.push(request["server_name"] == name);
    }
    if route["when"].is_string() {
        held.push(request["secure"] == true);
    }
    if let Some(wanted) = route["body"]["json"][0]["value"]["exact"].as_str() {
        held.push(request["body"] == format!("{{\"t\":\"{wanted}\"}}"));
    }
    held.iter().all(|it| *it).then_some(held.len() as i64)
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
        "regex" => {
            let regex = regex::Regex::new(&format!("^(?:{rule})$")).unwrap();
            regex.is_match(path).then(|| vec![2, 0, 0, 0])
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
    prop_oneof![Just("a"), Just("b"), Just("ab")].prop_map(str::to_owned)
}

fn path(of: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 0..most).prop_map(|list| format!("/{}", list.join("/")))
}

/// One of these, or nothing; nothing more often.
fn maybe(values: &Value) -> impl Strategy<Value = Value> + use<> {
    let values = values.as_array().unwrap().clone();
    prop_oneof![3 => Just(Value::Null), 2 => prop::sample::select(values)]
}

fn any_paths() -> impl Strategy<Value = Value> {
    let parameters = prop_oneof![3 => segment(), 2 => Just("{}".to_owned())];
    let expressions = prop_oneof![
        segment(),
        Just("[ab]+".to_owned()),
        Just("(?:a|.*)".to_owned())
    ];
    prop_oneof![
        Just(Value::Null),
        path(segment(), 3).prop_map(|path| json!([{"exact": path}])),
        path(segment(), 3).prop_map(|path| json!([{"prefix": path}])),
        path(expressions, 3).prop_map(|path| json!([{"regex": path}])),
        prop::collection::vec(parameters, 1..4).prop_map(|list| {
            let name = |(place, it): (usize, &String)| it.replace("{}", &format!("{{p{place}}}"));
            let named: Vec<String> = list.iter().enumerate().map(name).collect();
            json!([{"template": format!("/{}", named.join("/"))}])
        }),
    ]
}

fn any_route() -> impl Strategy<Value = Value> {
    let exact = |name: &str, value: &str| json!([{"name": name, "value": {"exact": value}}]);
    let of_head = (
        maybe(&json!([["x.test"], ["*.test"], ["*.x.test"], ["y.x.test"]])),
        any_paths(),
        maybe(&json!([["GET"], ["PUT"]])),
        maybe(&json!([exact("x-a", "1"), exact("x-b", "1")])),
        maybe(&json!([-5, 1, 7])),
    );
    let body = |value: &str| json!({"json": [{"pointer": "/t", "value": {"exact": value}}]});
    let further = (
        maybe(&json!([exact("v", "1"), exact("v", "2"), exact("w", "")])),
        maybe(&json!([exact("c", "1")])),
        maybe(
            &json!([{"client": ["10.0.0.0/8"]}, {"client": ["10.1.0.0/16"]}, {"peer": ["192.0.2.0/24"]}]),
        ),
        maybe(&json!([["x.test"]])),
        maybe(&json!(["request.scheme == 'https'"])),
        maybe(&json!([body("1"), body("2")])),
    );
    (of_head, further).prop_map(|((hosts, paths, methods, headers, priority), further)| {
        let (query, cookies, source_addresses, server_names, when, body) = further;
        let route = json!({
            "hosts": hosts, "paths": paths, "methods": methods, "headers": headers, "priority": priority,
            "query": query, "cookies": cookies, "source_addresses": source_addresses,
            "server_names": server_names, "when": when, "body": body,
        });
        let fields = route.as_object().unwrap().clone();
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
    })
}

fn any_request() -> impl Strategy<Value = Value> {
    let head = (
        prop::sample::select(vec!["x.test", "y.x.test", "z.test", "other"]),
        path(segment(), 4),
        prop::sample::select(vec!["GET", "PUT"]),
        maybe(&json!(["v=1", "v=2", "w=", "v=1&w=", "v=2&v=1"])),
        maybe(&json!(["1", "2"])),
        maybe(&json!(["c=1", "d=1;c=1"])),
    );
    let rest = (
        prop::sample::select(vec!["10.0.0.1", "10.1.0.1", "192.0.2.1"]),
        prop::sample::select(vec!["192.0.2.1", "10.0.0.1"]),
        maybe(&json!(["x.test", "y.test"])),
        any::<bool>(),
        maybe(&json!(["{\"t\":\"1\"}", "{\"t\":\"2\"}", "{}"])),
    );
    (head, rest).prop_map(|((host, path, method, query, field, cookie), rest)| {
        let (client, peer, server_name, secure, body) = rest;
        let mut headers = json!({"content-type": "application/json"});
        for (name, value) in [("x-a", field), ("cookie", cookie)] {
            if !value.is_null() {
                headers[name] = value;
            }
        }
        json!({
            "host": host, "path": path, "method": method, "query": query, "headers": headers,
            "client": client, "peer": peer, "server_name": server_name, "secure": secure, "body": body,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_index_finds_what_the_documented_order_says(
        mut routes in prop::collection::vec(any_route(), 0..32),
        requests in prop::collection::vec(any_request(), 16),
    ) {
        for (place, route) in routes.iter_mut().enumerate() {
            route["name"] = json!(format!("r{place:02}"));
        }
        let snapshot = snapshot(&routes);
        for request in requests {
            let taken = taken(&snapshot, &request);
            let found = (taken != "404" && taken != "405").then_some(taken);
            prop_assert_eq!(found, naive(&routes, &request), "{}", request);
        }
    }
}

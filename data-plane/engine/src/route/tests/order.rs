//! The total order, row by row.

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::{request, snapshot};
use crate::{Explainer, Miss, Payload, Query, Snapshot, plugin::Registry};

#[test]
fn each_request_takes_the_route_that_the_order_says() {
    let mut compiled = snapshot(&[]);
    let rows = include_str!("../order.tsv").lines().skip(1);
    for (number, row) in (2..).zip(rows) {
        let [routes, request, expected] = *row.split('\t').collect::<Vec<_>>() else {
            panic!("row {number} has three columns: {row}");
        };
        if !routes.is_empty() {
            let routes: Vec<Value> = serde_json::from_str(routes).unwrap();
            compiled = snapshot(&routes);
        }
        let request = serde_json::from_str(request).unwrap();
        assert_eq!(
            taken(&compiled, &request),
            expected,
            "row {number}: {request}"
        );
    }
}

#[test]
fn an_explanation_says_what_the_search_does() {
    let mut set = super::set(&[]);
    let rows = include_str!("../order.tsv").lines().skip(1);
    for (number, row) in (2..).zip(rows) {
        let [routes, request, expected] = *row.split('\t').collect::<Vec<_>>() else {
            panic!("row {number} has three columns: {row}");
        };
        if !routes.is_empty() {
            let routes: Vec<Value> = serde_json::from_str(routes).unwrap();
            set = super::set(&routes);
        }
        let request: Value = serde_json::from_str(request).unwrap();
        let headers = headers(&request["headers"]);
        let method = request["method"].as_str().unwrap_or("GET").parse().unwrap();
        let query = Query {
            body: request["body"]
                .as_str()
                .map_or(Payload::None, |it| Payload::Whole(it.as_bytes())),
            ..described(&request, &method, &headers)
        };
        let explanation = Explainer::compile(&set, &Registry::default()).explain(&query);
        let first = explanation.considered.iter().find(|it| it.reason.is_none());
        if let Ok(found) = explanation.found {
            assert_eq!(*found.name, *expected, "row {number}");
            assert_eq!(
                first.map(|it| &*it.route.name),
                Some(expected),
                "row {number}"
            );
        } else {
            assert!(expected.starts_with('4'), "row {number}");
        }
    }
}

/// The name of the route, or the status of what the data plane makes of none.
pub(super) fn taken(snapshot: &Snapshot, request: &Value) -> String {
    let headers = headers(&request["headers"]);
    let method = request["method"].as_str().unwrap_or("GET").parse().unwrap();
    let mut query = described(request, &method, &headers);
    let mut found = snapshot.find(&query);
    if let Err(Miss::NeedsBody(bounds)) = &found {
        let body = request["body"].as_str().unwrap().as_bytes();
        if body.len() > bounds.max_bytes as usize {
            return "413".to_owned();
        }
        query.body = Payload::Whole(body);
        found = snapshot.find(&query);
    }
    let status = match found {
        Ok(found) => return found.route.name.to_string(),
        Err(Miss::NoRoute) => "404",
        Err(Miss::MethodNotAllowed(_)) => "405",
        Err(Miss::Undecided(_)) => "400",
        Err(Miss::BodyTooLarge(_)) => "413",
        Err(Miss::NeedsBody(_)) => "once is enough",
    };
    status.to_owned()
}

fn headers(fields: &Value) -> HeaderMap {
    let none = serde_json::Map::new();
    let fields = fields.as_object().unwrap_or(&none).iter();
    let read = |(name, value): (&String, &Value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.as_str().unwrap().parse().unwrap())
    };
    fields.map(read).collect()
}

fn described<'a>(
    described: &'a Value,
    method: &'a http::Method,
    headers: &'a HeaderMap,
) -> Query<'a> {
    let text = |field: &str| described[field].as_str();
    let address = |field: &str| text(field).unwrap_or("192.0.2.1").parse().unwrap();
    Query {
        query: text("query"),
        client: address("client"),
        peer: address("peer"),
        secure: described["secure"] == json!(true),
        server_name: text("server_name"),
        body: match described["body"] {
            Value::Null => Payload::None,
            _ => Payload::Unread,
        },
        ..request(
            text("host").unwrap_or("h"),
            text("path").unwrap_or("/"),
            method,
            headers,
        )
    }
}

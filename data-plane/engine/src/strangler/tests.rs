use gatewright_proto::Kind;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::{Strangler, Way};
use crate::{Action, ResourceSet, Snapshot, compile, plugin::Registry};

fn snapshot(strangler: &Value) -> Snapshot {
    let resources = [
        (Kind::Service, json!({"name": "new", "url": "http://new"})),
        (Kind::Service, json!({"name": "old", "url": "http://old"})),
        (
            Kind::Route,
            json!({"name": "r", "service": "new", "strangler": strangler}),
        ),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "ip-filter", "attach": {"service": "old"}, "settings": {"deny": ["10.0.0.0/8"]}}),
        ),
    ];
    let resources = resources.map(|(kind, value)| kind.from_json(value).unwrap());
    let set: ResourceSet = resources.into_iter().collect();
    let compiled = compile(1, &set, &Registry::default(), None);
    assert_eq!(compiled.errors, []);
    compiled.snapshot
}

fn strangler(snapshot: &Snapshot) -> &Strangler {
    match &snapshot.routes[0].action {
        Action::Strangler(strangler) => strangler,
        other => panic!("{other:?}"),
    }
}

#[test]
fn methods_paths_and_share_say_what_is_tried_at_the_new_service_first() {
    let snapshot = snapshot(&json!({
        "legacy": "old", "methods": ["GET"], "paths": [{"prefix": "/a"}, {"template": "/b/{id}"}, {"regex": "/c+"}], "percent": 50,
    }));
    let strangler = strangler(&snapshot);
    for (method, path, random, expected) in [
        (Method::GET, "/a/1", 0, Way::New),
        (Method::GET, "/b/1", 0, Way::New),
        (Method::GET, "/ccc", 0, Way::New),
        (Method::GET, "/a/1", u64::MAX, Way::Legacy),
        (Method::POST, "/a/1", 0, Way::Legacy),
        (Method::GET, "/ab", 0, Way::Legacy),
        (Method::GET, "/b/1/2", 0, Way::Legacy),
        (Method::GET, "/b/", 0, Way::Legacy),
    ] {
        let (_, way) = strangler.choose((&method, path), None, random);
        assert_eq!(way, expected, "{method} {path}");
    }
}

#[test]
fn a_body_that_cannot_be_kept_goes_to_the_legacy() {
    let snapshot = snapshot(&json!({"legacy": "old", "max_body_bytes": 10}));
    let of = |length| {
        strangler(&snapshot)
            .choose((&Method::POST, "/"), length, 0)
            .1
    };
    assert_eq!(
        [of(Some(10)), of(Some(11)), of(None)],
        [Way::New, Way::Legacy, Way::New]
    );
}

#[test]
fn what_the_new_service_has_not_got_falls_through() {
    let snapshot = snapshot(&json!({"legacy": "old"}));
    let fall = &strangler(&snapshot).fall_through;
    let falls = |status| fall.falls(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
    let found: Vec<u16> = (200..600).filter(|status| falls(*status)).collect();
    assert_eq!(found, [404, 405, 501]);
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static("12"));
    assert!(fall.falls(StatusCode::OK, &headers));
    headers.insert("grpc-status", HeaderValue::from_static("5"));
    assert!(!fall.falls(StatusCode::OK, &headers));
}

#[test]
fn a_request_that_may_reach_the_legacy_runs_the_plugins_of_both() {
    let snapshot = snapshot(&json!({"legacy": "old"}));
    let [new, legacy] = &strangler(&snapshot).backends;
    for backend in [new, legacy] {
        let plugins = &backend.route.chain.instances;
        assert_eq!(plugins.len(), 1, "{}", backend.service);
    }
}

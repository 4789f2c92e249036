use std::{collections::BTreeMap, sync::Arc};

use gatewright_proto::Kind;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Asked, Split};
use crate::{Action, ResourceSet, Snapshot, compile, plugin::Registry};

/// How many callers are looked at.
const CALLERS: u64 = 20_000;

fn snapshot(split: &Value) -> Snapshot {
    let mut resources: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let service = json!({"name": name, "url": format!("http://{name}")});
            Kind::Service.from_json(service).unwrap()
        })
        .into();
    let route = json!({"name": "r", "split": split});
    resources.push(Kind::Route.from_json(route).unwrap());
    let set: ResourceSet = resources.into_iter().collect();
    let compiled = compile(1, &set, &Registry::default(), None);
    assert_eq!(compiled.errors, []);
    compiled.snapshot
}

fn split(snapshot: &Snapshot) -> &Split {
    match &snapshot.routes[0].action {
        Action::Split(split) => split,
        other => panic!("{other:?}"),
    }
}

fn weights(weights: &[(&str, u32)]) -> Value {
    let backend = |(name, weight): &(&str, u32)| json!({"service": name, "weight": weight});
    weights.iter().map(backend).collect()
}

fn asked<'a>(headers: &'a HeaderMap, consumer: Option<&'a str>) -> Asked<'a> {
    Asked {
        headers,
        consumer,
        secure: false,
    }
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    let name = HeaderName::from_static(name);
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

/// Where each caller goes.
fn callers(backends: &[(&str, u32)]) -> Vec<Arc<str>> {
    let snapshot = snapshot(&json!({"backends": weights(backends), "sticky": {"consumer": true}}));
    let split = split(&snapshot);
    let none = HeaderMap::new();
    let of = |caller: u64| {
        let name = format!("caller-{caller}");
        let choice = split.choose(&asked(&none, Some(&name)), 0);
        Arc::clone(&choice.backend.service)
    };
    (0..CALLERS).map(of).collect()
}

/// How many callers moved, by where from and where to.
fn moved(before: &[Arc<str>], after: &[Arc<str>]) -> BTreeMap<(String, String), u64> {
    let mut moved = BTreeMap::new();
    for (from, to) in before.iter().zip(after).filter(|(from, to)| from != to) {
        *moved.entry((from.to_string(), to.to_string())).or_insert(0) += 1;
    }
    moved
}

fn share(callers: &[Arc<str>], of: &str) -> f64 {
    callers.iter().filter(|it| ***it == *of).count() as f64 / CALLERS as f64
}

#[test]
fn a_request_is_drawn_uniformly_from_the_sum_of_the_weights() {
    let snapshot = snapshot(&json!({"backends": weights(&[("a", 1), ("b", 0), ("c", 3)])}));
    let (split, none) = (split(&snapshot), HeaderMap::new());
    let at = |quarter: u128, less: u64| {
        let point = ((quarter << 64) / 4) as u64;
        let choice = split.choose(&asked(&none, None), point.wrapping_sub(less));
        choice.backend.service.to_string()
    };
    assert_eq!([at(0, 0), at(1, 1)], ["a", "a"], "the first quarter");
    assert_eq!([at(1, 0), at(2, 0), at(4, 1)], ["c", "c", "c"]);
}

#[test]
fn a_weight_of_zero_is_never_chosen_and_all_zero_is_a_mistake() {
    let all = callers(&[("a", 1), ("b", 0), ("c", 1)]);
    assert_eq!(share(&all, "b"), 0.0);
    let route = json!({"name": "r", "split": {"backends": [{"service": "a", "weight": 0}]}});
    let service = json!({"name": "a", "url": "http://a"});
    let set: ResourceSet = [(Kind::Service, service), (Kind::Route, route)]
        .map(|(kind, value)| kind.from_json(value).unwrap())
        .into_iter()
        .collect();
    let errors = compile(1, &set, &Registry::default(), None).errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].field, "split.backends");
}

#[test]
fn a_backend_that_was_refused_keeps_its_share_and_answers_500() {
    let resources = [
        (Kind::Service, json!({"name": "a", "url": "http://a"})),
        (Kind::Service, json!({"name": "b", "url": "ftp://b"})),
        (
            Kind::Route,
            json!({"name": "r", "split": {"backends": [{"service": "a"}, {"service": "b"}]}}),
        ),
    ];
    let resources = resources.map(|(kind, value)| kind.from_json(value).unwrap());
    let set: ResourceSet = resources.into_iter().collect();
    let compiled = compile(1, &set, &Registry::default(), None);
    assert!(compiled.errors.iter().all(|it| it.key.name == "b"));
    let (split, none) = (split(&compiled.snapshot), HeaderMap::new());
    let action = |random| {
        let choice = split.choose(&asked(&none, None), random);
        &choice.backend.route.action
    };
    assert!(matches!(action(0), Action::Forward(_)));
    assert!(matches!(action(u64::MAX), Action::Closed(_)));
}

#[test]
fn callers_are_spread_as_the_weights_say() {
    let all = callers(&[("a", 90), ("b", 9), ("c", 1)]);
    for (name, expected) in [("a", 0.9), ("b", 0.09), ("c", 0.01)] {
        let found = share(&all, name);
        assert!((found - expected).abs() < 0.01, "{name}: {found}");
    }
}

#[test]
fn a_changed_weight_moves_only_as_many_callers_as_must_and_only_there() {
    let before = callers(&[("a", 50), ("b", 45), ("c", 5)]);
    let after = callers(&[("a", 50), ("b", 45), ("c", 15)]);
    let found = moved(&before, &after);
    assert!(found.keys().all(|(_, to)| to == "c"), "{found:?}");
    let share = found.values().sum::<u64>() as f64 / CALLERS as f64;
    let least = 15.0 / 110.0 - 5.0 / 100.0;
    assert!((share - least).abs() < 0.01, "{share} where {least} must");
}

#[test]
fn a_step_of_a_canary_moves_callers_to_it_only_and_back() {
    let before = callers(&[("a", 95), ("b", 5)]);
    let after = callers(&[("a", 80), ("b", 20)]);
    let found = moved(&before, &after);
    assert!(found.keys().all(|(from, _)| from == "a"), "{found:?}");
    assert_eq!(callers(&[("a", 95), ("b", 5)]), before);
    let reordered = callers(&[("b", 5), ("a", 95)]);
    assert_eq!(reordered, before, "the order of the list says nothing");
}

#[test]
fn a_cookie_is_made_for_who_has_none_and_keeps_it_there() {
    let cookie = json!({"cookie": {"name": "lane", "ttl_ms": 60_000}});
    let backends = weights(&[("a", 50), ("b", 50)]);
    let snapshot = snapshot(&json!({"backends": backends, "sticky": cookie}));
    let (split, none) = (split(&snapshot), HeaderMap::new());
    for random in [1, u64::MAX / 3, u64::MAX] {
        let first = split.choose(&asked(&none, None), random);
        let set = first.cookie.unwrap();
        let set = set.to_str().unwrap();
        let attributes = "; Path=/; HttpOnly; SameSite=Lax; Max-Age=60";
        assert_eq!(set, format!("lane={random:016x}{attributes}"));
        let sent = headers("cookie", &format!("x=1; lane={random:016x}; y=2"));
        let again = split.choose(&asked(&sent, None), 7);
        assert!(again.cookie.is_none());
        assert_eq!(again.backend.service, first.backend.service);
    }
    for forged in [
        "lane=",
        "lane=12",
        "lane=+fffffffffffffff",
        "lanes=0000000000000000",
    ] {
        let sent = headers("cookie", forged);
        assert!(split.choose(&asked(&sent, None), 7).cookie.is_some());
    }
}

#[test]
fn a_header_or_cookie_sends_a_request_to_its_canary_whatever_the_weights() {
    let split_of = json!({
        "backends": weights(&[("a", 100), ("b", 0)]),
        "canaries": [
            {"service": "b", "header": {"name": "x-canary", "value": {"exact": "yes"}}},
            {"service": "b", "cookie": {"name": "beta"}},
        ],
    });
    let snapshot = snapshot(&split_of);
    let split = split(&snapshot);
    for (fields, expected) in [
        (headers("x-canary", "yes"), "b"),
        (headers("x-canary", "no"), "a"),
        (headers("cookie", "a=b; beta=1"), "b"),
        (HeaderMap::new(), "a"),
    ] {
        let choice = split.choose(&asked(&fields, None), u64::MAX);
        assert_eq!(*choice.backend.service, *expected, "{fields:?}");
    }
}

#[test]
fn a_header_keeps_its_callers_together_and_those_without_are_drawn() {
    let backends = weights(&[("a", 50), ("b", 50)]);
    let snapshot = snapshot(&json!({"backends": backends, "sticky": {"header": "x-user"}}));
    let split = split(&snapshot);
    let of = |fields: &HeaderMap, random| split.choose(&asked(fields, None), random).backend;
    let alice = headers("x-user", "alice");
    assert_eq!(of(&alice, 0).service, of(&alice, u64::MAX).service);
    let none = HeaderMap::new();
    assert_ne!(of(&none, 0).service, of(&none, u64::MAX).service);
}

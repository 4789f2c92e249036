mod defaults;

use std::sync::Arc;

use gatewright_proto::{Kind, Resource};
use serde_json::{Value, json};

use crate::{
    Action, Compiled, ResourceSet, compile,
    plugin::Registry,
    secret::{Lack, LocalSecrets, SecretText},
};

fn set(resources: &[(Kind, Value)]) -> ResourceSet {
    let read =
        |(kind, value): &(Kind, Value)| -> Resource { kind.from_json(value.clone()).unwrap() };
    resources.iter().map(read).collect()
}

/// A resource by itself, with a service `s` beside it, and the fields and codes of its mistakes.
fn mistakes(kind: Kind, value: Value) -> Vec<(String, &'static str)> {
    let mut resources = vec![(kind, value)];
    if kind != Kind::Service {
        resources.push((Kind::Service, json!({"name": "s", "url": "http://s"})));
    }
    let compiled = compile(1, &set(&resources), &Registry::default(), None);
    compiled
        .errors
        .into_iter()
        .map(|error| (error.field, error.code))
        .collect()
}

#[test]
fn each_mistake_is_found_and_says_where() {
    let table = include_str!("mistakes.tsv").lines().skip(1);
    for row in table {
        let [kind, resource, field, code] = *row.split('\t').collect::<Vec<_>>() else {
            panic!("four columns: {row}");
        };
        let found = mistakes(
            kind.parse().unwrap(),
            serde_json::from_str(resource).unwrap(),
        );
        let expected = (field, code);
        let is_expected = |it: &(String, &'static str)| (it.0.as_str(), it.1) == expected;
        assert!(found.iter().any(is_expected), "{row}: {found:?}");
    }
}

#[test]
fn targets_and_credentials_say_where_too() {
    let resources = [
        (Kind::Upstream, json!({"name": "u"})),
        (
            Kind::Target,
            json!({"name": "t", "upstream": "u", "address": "10.0.0.300:80", "weight": 70000}),
        ),
        (Kind::Consumer, json!({"name": "c"})),
        (
            Kind::Credential,
            json!({"name": "k", "consumer": "c", "digest": "sha256:xx"}),
        ),
    ];
    let errors = compile(1, &set(&resources), &Registry::default(), None).errors;
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        ["weight", "digest"],
        "`10.0.0.300` is a host name, though an odd one"
    );
}

#[test]
fn two_routes_that_only_their_names_tell_apart_are_reported() {
    let route = |name: &str| {
        (
            Kind::Route,
            json!({"name": name, "service": "s", "paths": [{"prefix": "/x"}]}),
        )
    };
    let service = (Kind::Service, json!({"name": "s", "url": "http://s"}));
    let errors = compile(
        1,
        &set(&[route("a"), route("b"), service]),
        &Registry::default(),
        None,
    )
    .errors;
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].code, errors[0].key.name.as_str()),
        ("ambiguous_route", "b")
    );
    assert!(errors[0].reason.contains("`a`"));
}

#[test]
fn two_credentials_of_one_key_are_both_refused() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let credential = |name: &str| {
        (
            Kind::Credential,
            json!({"name": name, "consumer": "c", "digest": digest}),
        )
    };
    let consumer = (Kind::Consumer, json!({"name": "c"}));
    let compiled = compile(
        1,
        &set(&[credential("a"), credential("b"), consumer]),
        &Registry::default(),
        None,
    );
    let blamed: Vec<_> = compiled
        .errors
        .iter()
        .map(|it| (&*it.key.name, it.code))
        .collect();
    assert_eq!(blamed, [("a", "duplicate"), ("b", "duplicate")]);
    assert!(compiled.snapshot.consumers.by_key.is_empty());
}

#[test]
fn disabled_resources_are_not_in_force() {
    let resources = [
        (
            Kind::Service,
            json!({"name": "off", "url": "http://s", "enabled": false}),
        ),
        (
            Kind::Route,
            json!({"name": "to-off", "service": "off", "paths": [{"exact": "/1"}]}),
        ),
        (
            Kind::Route,
            json!({"name": "off", "service": "off", "enabled": false}),
        ),
        (Kind::Consumer, json!({"name": "c", "enabled": false})),
        (
            Kind::Credential,
            json!({"name": "k", "consumer": "c", "digest": format!("sha256:{}", "0".repeat(64))}),
        ),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "ip-filter", "attach": {"global": true}, "enabled": false,
            "settings": {"deny": ["10.0.0.0/8"]}}),
        ),
    ];
    let compiled = compile(1, &set(&resources), &Registry::default(), None);
    assert_eq!(compiled.errors, []);
    let snapshot = compiled.snapshot;
    assert_eq!(snapshot.routes.len(), 1);
    assert!(matches!(snapshot.routes[0].action, Action::Disabled));
    assert!(snapshot.routes[0].chain.instances.is_empty());
    assert!(snapshot.consumers.by_key.is_empty());
}

#[test]
fn an_exception_takes_a_route_out_of_a_global_plugin() {
    let route = |name: &str| {
        (
            Kind::Route,
            json!({"name": name, "service": "s", "paths": [{"exact": format!("/{name}")}]}),
        )
    };
    let resources = [
        (Kind::Service, json!({"name": "s", "url": "http://s"})),
        route("health"),
        route("orders"),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "ip-filter", "attach": {"global": true},
            "except": [{"route": "health"}], "settings": {"deny": ["10.0.0.0/8"]}}),
        ),
    ];
    let snapshot = compile(1, &set(&resources), &Registry::default(), None).snapshot;
    assert!(snapshot.routes[0].chain.instances.is_empty());
    assert_eq!(snapshot.routes[1].chain.instances.len(), 1);
}

#[test]
fn a_certificate_is_for_the_names_in_it_and_its_key_must_belong_to_it() {
    let made = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (one, other) = (made("*.example.com"), made("other.test"));
    let certificate = |key: &str| {
        let value = json!({"name": "c", "certificate": one.cert.pem(), "private_key": key});
        compile(
            1,
            &set(&[(Kind::Certificate, value)]),
            &Registry::default(),
            None,
        )
    };
    let good = certificate(&one.signing_key.serialize_pem());
    assert_eq!(good.errors, []);
    assert_eq!(
        *good.snapshot.certificates[0].hosts,
        ["*.example.com".into()]
    );
    let bad = certificate(&other.signing_key.serialize_pem());
    assert_eq!(bad.errors[0].field, "private_key");
    let secret = json!({"name": "k", "value": one.signing_key.serialize_pem()});
    let value = json!({"name": "c", "certificate": one.cert.pem(), "private_key": "secret:k"});
    let set = set(&[(Kind::Certificate, value), (Kind::Secret, secret)]);
    assert_eq!(compile(1, &set, &Registry::default(), None).errors, []);
}

#[test]
fn services_that_fall_back_in_a_chain_or_a_circle_are_all_refused() {
    let service = |name: &str, next: &str| {
        let mut service = json!({"name": name, "url": "http://s"});
        if !next.is_empty() {
            service["fallback"] = json!({"service": next});
        }
        (Kind::Service, service)
    };
    let refused = |services: &[(Kind, Value)]| -> Vec<String> {
        let errors = compile(1, &set(services), &Registry::default(), None).errors;
        let on = |error: &crate::CompileError| error.field == "fallback.service";
        let mut names: Vec<String> = errors
            .iter()
            .filter(|error| on(error))
            .map(|error| error.key.name.clone())
            .collect();
        names.dedup();
        names
    };
    assert!(refused(&[service("a", "b"), service("b", "")]).is_empty());
    let circle = [service("a", "b"), service("b", "a")];
    assert_eq!(refused(&circle), ["a", "b"]);
    let chain = [service("a", "b"), service("b", "c"), service("c", "")];
    assert_eq!(refused(&chain), ["a", "b"]);
}

#[test]
fn what_is_attached_to_a_fallback_service_runs_for_those_who_may_reach_it() {
    let service = |name: &str| (Kind::Service, json!({"name": name, "url": "http://s"}));
    let with_fallback = json!({"name": "a", "url": "http://s", "fallback": {"service": "b"}});
    let of_b = json!({"name": "p", "type": "ip-filter", "attach": {"service": "b"},
        "settings": {"deny": ["10.0.0.0/8"]}});
    let route = |more: Value| {
        let mut route = json!({"name": "r", "service": "a"});
        if let (Some(route), Some(more)) = (route.as_object_mut(), more.as_object()) {
            route.extend(more.clone());
        }
        (Kind::Route, route)
    };
    let ran = |resources: &[(Kind, Value)]| -> usize {
        let compiled = compile(1, &set(resources), &Registry::default(), None);
        assert_eq!(compiled.errors, []);
        compiled.snapshot.routes[0].chain.instances.len()
    };
    let plugin = (Kind::Plugin, of_b);
    let plain = [service("a"), service("b"), route(json!({})), plugin.clone()];
    assert_eq!(ran(&plain), 0);
    let of_service = [
        (Kind::Service, with_fallback),
        service("b"),
        route(json!({})),
        plugin.clone(),
    ];
    assert_eq!(ran(&of_service), 1);
    let of_route = route(json!({"fallback": {"service": "b"}}));
    assert_eq!(ran(&[service("a"), service("b"), of_route, plugin]), 1);
}

/// A machine with one variable.
#[derive(Debug)]
struct Machine(String);

impl LocalSecrets for Machine {
    fn env(&self, name: &str) -> Result<SecretText, Lack> {
        match name {
            "KEY" => Ok(SecretText::new(self.0.as_str())),
            _ => Err(Lack::Missing("there is no such variable".to_owned())),
        }
    }

    fn file(&self, _path: &str) -> Result<SecretText, Lack> {
        Err(Lack::Missing("there are no files".to_owned()))
    }
}

#[test]
fn private_keys_and_authorities_may_be_elsewhere_and_what_is_missing_closes_what_needs_it() {
    let made = rcgen::generate_simple_self_signed(vec!["one.test".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let value = json!({"key": key}).to_string();
    let references = [
        "secret:s#key",
        "env:KEY",
        "secret:s#none",
        "env:NONE",
        "vault:kv/a#b",
    ];
    let mut resources = vec![(Kind::Secret, json!({"name": "s", "value": value}))];
    for (place, reference) in references.iter().enumerate() {
        let name = format!("c{place}");
        let certificate = json!({"name": name, "certificate": pem, "private_key": reference});
        resources.push((Kind::Certificate, certificate));
    }
    let tls = json!({"ca_certificates": "file:authorities"});
    let service = json!({"name": "t", "url": "https://t", "tls": tls});
    resources.push((Kind::Service, service));
    let route = json!({"name": "r", "service": "t", "paths": [{"prefix": "/"}]});
    resources.push((Kind::Route, route));
    let set = set(&resources);
    let node = Registry {
        local: Arc::new(Machine(key)),
        ..Registry::default()
    };
    let on_node = compile(1, &set, &node, None);
    let elsewhere = compile(1, &set, &Registry::default(), None);
    assert!(on_node.errors.is_empty() && elsewhere.errors.is_empty());
    let names = |compiled: &Compiled| -> Vec<String> {
        let certificates = compiled.snapshot.certificates.iter();
        certificates.map(|it| it.name.to_string()).collect()
    };
    assert_eq!(names(&on_node), ["c0", "c1"]);
    assert_eq!(names(&elsewhere), ["c0"]);
    let missing = on_node.snapshot.missing_secrets.iter();
    let missing: Vec<String> = missing
        .map(|it| format!("{} {}", it.key, it.place))
        .collect();
    let expected = [
        "certificate/c2 secret:s#none",
        "certificate/c3 env:NONE",
        "certificate/c4 vault:kv/a#b",
        "service/t file:authorities",
    ];
    assert_eq!(missing, expected);
    let closed = &on_node.snapshot.routes[0].action;
    assert!(matches!(closed, Action::Closed(_)), "{closed:?}");
}

//! What holds of every plugin type, and of chains.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{Chain, Instance, PLUGINS, Registry, plugin_page};
use crate::ResourceSet;

pub(crate) mod request;

pub(crate) use request::{
    Request, build, consumer, limited_registry, mistakes, plugin, reference_fields, resource,
};

fn from_yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("examples are YAML")
}

#[test]
fn every_example_builds() {
    for kind in PLUGINS {
        let settings = from_yaml(kind.example);
        let found = mistakes(kind.name, &settings);
        assert_eq!(found, Vec::<String>::new(), "{} {settings}", kind.name);
    }
}

#[test]
fn every_type_runs_in_the_order_of_the_table_and_describes_all_of_its_settings() {
    assert!(PLUGINS.is_sorted_by_key(|kind| kind.order));
    for kind in PLUGINS {
        let page = plugin_page(kind);
        assert!(
            !page.contains("|  |\n"),
            "a field without description:\n{page}"
        );
    }
}

/// `GATEWRIGHT_UPDATE_DOCS=1` writes them.
#[test]
fn the_pages_in_docs_say_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugins");
    for kind in PLUGINS {
        let path = folder.join(format!("{}.md", kind.name));
        let page = plugin_page(kind);
        if std::env::var_os("GATEWRIGHT_UPDATE_DOCS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &page).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "{} is not up to date: run with GATEWRIGHT_UPDATE_DOCS=1",
            path.display()
        );
    }
}

#[test]
fn all_mistakes_of_a_resource_are_reported_at_once() {
    let mut wrong = resource("acl", &json!({"alow": ["gold"], "deny": 7}));
    wrong.order = Some(10_001);
    wrong.when = "request.method ==".to_owned();
    wrong.mode = 9;
    wrong.attach = None;
    let errors = build(&Registry::default(), &wrong).unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    let expected = [
        "attach",
        "when",
        "mode",
        "order",
        "settings.alow",
        "settings.deny",
    ];
    assert_eq!(fields, expected);
    assert_eq!(errors[4].reason, "not a known field; `allow` is one");
}

#[test]
fn mistakes_deep_in_settings_are_found_without_made_up_ones() {
    let settings = json!({"limits": [{"reqests": 1, "per": 7, "brst": 1}, {}], "kye": "consumer"});
    let found = mistakes("rate-limit", &settings);
    let expected = [
        "settings.limits[0].reqests",
        "settings.limits[0].per",
        "settings.limits[0].brst",
        "settings.limits[0].requests",
        "settings.kye",
    ];
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(found), sorted(expected.map(str::to_owned).to_vec()));
}

#[test]
fn an_unknown_type_is_named_with_the_one_that_was_probably_meant() {
    let older = Registry::without(&["rate-limit"]);
    let typo = resource("key_auth", &json!({}));
    let errors = build(&older, &typo).unwrap_err();
    assert_eq!(
        (errors[0].field.as_str(), errors[0].code),
        ("type", "unknown_plugin")
    );
    assert_eq!(
        errors[0].reason,
        "`key_auth` is not a plugin type known here; `key-auth` is one"
    );
    let newer = resource(
        "rate-limit",
        &json!({"limits": [{"requests": 1, "per": "1s"}]}),
    );
    assert!(build(&older, &newer).is_err());
    assert!(build(&Registry::default(), &newer).is_ok());
}

#[test]
fn types_that_identify_cannot_be_attached_to_whom_they_identify() {
    let mut wrong = resource("key-auth", &json!({}));
    wrong.attach = Some(request::attach("consumer", "alice"));
    wrong.except = vec![
        request::attach("consumer_group", "staff"),
        request::attach("route", "free"),
    ];
    let errors = build(&Registry::default(), &wrong).unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["attach", "except[0]"]);
}

#[test]
fn what_follows_the_consumer_keeps_its_exceptions_of_routes() {
    let kept = |kind: &str| {
        let mut plugin = resource("ip-filter", &json!({"deny": ["10.0.0.0/8"]}));
        plugin.attach = Some(request::attach(kind, "a"));
        plugin.except = vec![request::attach("route", "free")];
        let instance = build(&Registry::default(), &plugin).unwrap();
        instance.except.to_vec()
    };
    assert_eq!(kept("consumer"), [super::Scope::Route("free".into())]);
    // Of a service's plugin, the route's chain is compiled without it.
    assert_eq!(kept("service"), []);
}

#[test]
fn shadow_means_nothing_to_a_type_that_never_refuses() {
    let mut wrong = resource("headers", &json!({}));
    wrong.mode = 1;
    let errors = build(&Registry::default(), &wrong).unwrap_err();
    assert_eq!(errors[0].field, "mode");
}

#[test]
fn an_unchanged_resource_keeps_its_instance() {
    let registry = Registry::default();
    let (settings, set) = (json!({"deny": ["10.0.0.0/8"]}), ResourceSet::default());
    let version = |byte| gatewright_proto::Version::from_slice(&[byte; 16]).unwrap();
    let one = registry
        .build((&resource("ip-filter", &settings), version(1)), &set, None)
        .unwrap();
    let same = registry
        .build(
            (&resource("ip-filter", &settings), version(1)),
            &set,
            Some(&one),
        )
        .unwrap();
    let changed = registry
        .build(
            (&resource("ip-filter", &settings), version(2)),
            &set,
            Some(&one),
        )
        .unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &same));
    assert!(!std::sync::Arc::ptr_eq(&one, &changed));
}

#[test]
fn a_chain_is_in_order_then_from_broad_to_narrow_then_by_name() {
    let built = |name: &str, kind: &str, attach: (&str, &str)| {
        let mut plugin = resource(kind, &from_yaml(request::example(kind)));
        plugin.name = name.to_owned();
        plugin.attach = Some(request::attach(attach.0, attach.1));
        build(&Registry::default(), &plugin).unwrap()
    };
    let chain = Chain::new(vec![
        built("limit", "rate-limit", ("route", "a")),
        built("b", "acl", ("consumer", "alice")),
        built("a", "acl", ("consumer", "alice")),
        built("z", "acl", ("global", "")),
        built("auth", "key-auth", ("service", "s")),
        Instance::closed("refused".into()),
    ]);
    let described = chain.describe();
    let names: Vec<&str> = described.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["refused", "auth", "z", "a", "b", "limit"]);
    let first = serde_json::to_value(&described[1]).unwrap();
    let expected = json!({"name": "auth", "type": "key-auth", "order": 1000, "scope": "service/s", "mode": "enforce"});
    assert_eq!(first, expected);
}

use gatewright_proto::{Key, Kind, Resource, Version};
use serde_json::json;

use super::{Change, Live};
use crate::{Action, Query, plugin::Registry};

fn resource(kind: Kind, value: serde_json::Value) -> Resource {
    kind.from_json(value).unwrap()
}

fn upsert(resource: Resource) -> (Key, Version, Option<Resource>) {
    (Key::of(&resource), Version::of(&resource), Some(resource))
}

fn service(url: &str) -> Resource {
    resource(Kind::Service, json!({"name": "orders", "url": url}))
}

fn route() -> Resource {
    resource(Kind::Route, json!({"name": "orders", "service": "orders"}))
}

fn change(revision: u64, upserts: Vec<Resource>) -> Change {
    Change {
        revision,
        upserts: upserts.into_iter().map(upsert).collect(),
        ..Change::default()
    }
}

fn is_open(live: &Live) -> bool {
    matches!(live.current.load().routes[0].action, Action::Forward(_))
}

/// What is done with a request for this path.
fn answer(live: &Live, path: &str) -> Option<&'static str> {
    let query = Query {
        host: "h",
        path,
        query: None,
        method: &http::Method::GET,
        headers: &http::HeaderMap::new(),
        client: [192, 0, 2, 1].into(),
        peer: [192, 0, 2, 1].into(),
        secure: false,
        server_name: None,
        body: crate::Payload::None,
    };
    let snapshot = live.current.load();
    let found = snapshot.find(&query).ok()?;
    Some(match found.route.action {
        Action::Forward(_) => "forward",
        Action::Closed(_) => "closed",
        _ => "other",
    })
}

#[test]
fn a_good_change_is_served_and_held() {
    let mut live = Live::new(Registry::default());
    assert!(
        live.apply(change(1, vec![service("http://a"), route()]))
            .is_empty()
    );
    assert_eq!(live.current.load().revision, 1);
    assert!(is_open(&live));
    assert!(live.deviations().is_empty());
}

#[test]
fn a_refused_resource_keeps_its_last_good_version() {
    let mut live = Live::new(Registry::default());
    live.apply(change(1, vec![service("http://a"), route()]));
    let digest = live.set.digest();
    let rejects = live.apply(change(2, vec![service("ftp://a")]));
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].errors[0].field, "url");
    assert_eq!(live.set.digest(), digest);
    assert!(is_open(&live));
    assert_eq!(
        live.deviations()[0].held,
        Some(Version::of(&service("http://a")))
    );
    assert!(live.apply(change(3, vec![service("http://b")])).is_empty());
    assert!(live.deviations().is_empty());
}

#[test]
fn without_a_good_version_what_needs_it_is_closed_until_one_comes() {
    let mut live = Live::new(Registry::default());
    let rejects = live.apply(change(1, vec![service("ftp://a"), route()]));
    assert_eq!(rejects.len(), 1);
    assert!(matches!(
        live.current.load().routes[0].action,
        Action::Closed(_)
    ));
    assert_eq!(live.deviations()[0].held, None);
    assert!(live.apply(change(2, vec![service("http://a")])).is_empty());
    assert!(is_open(&live));
}

#[test]
fn a_plugin_that_this_node_does_not_know_closes_its_route_and_no_other() {
    let mut live = Live::new(Registry::default());
    let guard = resource(
        Kind::Plugin,
        json!({"name": "guard", "type": "from-the-future", "attach": {"route": "orders"}}),
    );
    let other = resource(
        Kind::Route,
        json!({"name": "public", "service": "orders", "paths": [{"prefix": "/public"}]}),
    );
    let rejects = live.apply(change(1, vec![service("http://a"), route(), other, guard]));
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].errors[0].code, "unknown_plugin");
    let snapshot = live.current.load();
    assert_eq!(
        snapshot.routes[0].chain.instances.len(),
        1,
        "the closed instance"
    );
    assert!(snapshot.routes[1].chain.instances.is_empty());
}

#[test]
fn a_removal_that_leaves_a_reference_behind_closes_what_had_it() {
    let mut live = Live::new(Registry::default());
    live.apply(change(1, vec![service("http://a"), route()]));
    let removal = Change {
        revision: 2,
        removals: vec![Key::new(Kind::Service, "orders")],
        ..Change::default()
    };
    assert!(live.apply(removal).is_empty());
    assert_eq!(answer(&live, "/"), Some("closed"));
}

#[test]
fn a_refused_route_is_closed_and_leaves_its_requests_to_no_other() {
    let mut live = Live::new(Registry::default());
    let admin = json!({"name": "admin", "service": "orders", "paths": [{"prefix": "/admin"}],
        "upgrades": ["h2c"]});
    let admin = resource(Kind::Route, admin);
    let rejects = live.apply(change(1, vec![service("http://a"), route(), admin]));
    assert_eq!(rejects[0].errors[0].field, "upgrades[0]");
    assert_eq!(answer(&live, "/admin/users"), Some("closed"));
    assert_eq!(answer(&live, "/"), Some("forward"));
    // The refusal lasts, whatever else changes.
    live.apply(change(2, vec![service("http://b")]));
    assert_eq!(answer(&live, "/admin/users"), Some("closed"));
}

#[test]
fn a_refused_route_does_not_take_what_another_serves() {
    let mut live = Live::new(Registry::default());
    live.apply(change(1, vec![service("http://a"), route()]));
    let earlier = json!({"name": "a-earlier", "service": "orders", "rewrite": "x"});
    let rejects = live.apply(change(2, vec![resource(Kind::Route, earlier)]));
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].errors.len(), 1, "it is not ambiguous as well");
    assert_eq!(answer(&live, "/"), Some("forward"));
}

#[test]
fn a_plugin_whose_exception_is_everything_is_refused_and_closes_all_the_same() {
    let mut live = Live::new(Registry::default());
    let guard = json!({"name": "guard", "type": "ip-filter", "attach": {"global": true},
        "except": [{"global": true}], "settings": {"deny": ["10.0.0.0/8"]}});
    let guard = resource(Kind::Plugin, guard);
    let rejects = live.apply(change(1, vec![service("http://a"), route(), guard]));
    assert_eq!(rejects[0].errors[0].field, "except[0]");
    assert_eq!(live.current.load().routes[0].chain.instances.len(), 1);
}

#[test]
fn consumers_in_a_refused_group_are_closed() {
    let mut live = Live::new(Registry::default());
    let member = |name: &str, groups: &[&str]| {
        resource(Kind::Consumer, json!({"name": name, "groups": groups}))
    };
    let mut change = change(1, vec![member("alice", &["gold"]), member("bob", &[])]);
    let group = Key::new(Kind::ConsumerGroup, "gold");
    change.upserts.push((group, Version::of_bytes(b"x"), None));
    assert_eq!(live.apply(change).len(), 1);
    let snapshot = live.current.load();
    let plugins = |name| snapshot.consumers.by_name[name].plugins.len();
    assert_eq!((plugins("alice"), plugins("bob")), (1, 0));
}

#[test]
fn a_credential_that_is_in_use_survives_a_newer_one_with_its_key() {
    let mut live = Live::new(Registry::default());
    let digest = format!("sha256:{}", "ab".repeat(32));
    let credential = |name: &str| {
        let value = json!({"name": name, "consumer": "alice", "digest": digest});
        resource(Kind::Credential, value)
    };
    let alice = resource(Kind::Consumer, json!({"name": "alice"}));
    live.apply(change(1, vec![alice, credential("old")]));
    for name in ["a-new", "z-new"] {
        let rejects = live.apply(change(2, vec![credential(name)]));
        assert_eq!(rejects[0].errors[0].code, "duplicate");
        let snapshot = live.current.load();
        assert_eq!(&*snapshot.consumers.by_key[&[0xab; 32]].name, "old");
    }
}

#[test]
fn a_resource_that_cannot_be_read_is_refused_alone() {
    let mut live = Live::new(Registry::default());
    let mut broken = change(1, vec![service("http://a"), route()]);
    broken
        .upserts
        .push((Key::new(Kind::Plugin, "x"), Version::of_bytes(b"x"), None));
    let rejects = live.apply(broken);
    assert_eq!(rejects[0].errors[0].code, "not_understood");
    assert_eq!(
        live.current.load().routes[0].chain.instances.len(),
        1,
        "closed everywhere"
    );
}

use gatewright_engine::{Action, plugin::Registry};
use gatewright_proto::{
    Digest, Key, Kind, Resource, Version,
    v1::{Ack, Delta, Outcome, Removal, Update},
};
use serde_json::{Value, json};

use super::{Holding, NotApplied};
use crate::config_cache::ConfigCache;

/// What a control plane would have, and the deltas that it would send.
#[derive(Default)]
struct ControlPlane {
    revision: u64,
    resources: std::collections::BTreeMap<Key, Resource>,
}

impl ControlPlane {
    fn put(&mut self, kind: Kind, value: Value) -> Update {
        let resource = kind.from_json(value).unwrap();
        let update = Update {
            kind: kind.to_string(),
            name: resource.name().to_owned(),
            version: Version::of(&resource).as_bytes().to_vec(),
            body: resource.to_bytes(),
        };
        self.resources.insert(Key::of(&resource), resource);
        update
    }

    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for (key, resource) in &self.resources {
            digest.toggle(key, &Version::of(resource));
        }
        digest
    }

    /// The delta to the next revision, for a node that holds all of this one.
    fn delta(&mut self, upserts: Vec<Update>) -> Delta {
        let from_revision = self.revision;
        self.revision += 1;
        Delta {
            nonce: self.revision.to_string(),
            epoch: "history".to_owned(),
            from_revision,
            to_revision: self.revision,
            last: true,
            snapshot: from_revision == 0,
            upserts,
            digest: self.digest().as_bytes().to_vec(),
            ..Delta::default()
        }
    }
}

fn service(url: &str) -> Value {
    json!({"name": "orders", "url": url})
}

fn route(name: &str) -> Value {
    json!({"name": name, "service": "orders", "paths": [{"prefix": format!("/{name}")}]})
}

fn start(control: &mut ControlPlane) -> Holding {
    let mut holding = Holding::new(Registry::default());
    let upserts = vec![
        control.put(Kind::Service, service("http://a")),
        control.put(Kind::Route, route("orders")),
    ];
    let ack = holding.apply(control.delta(upserts)).unwrap();
    assert_eq!(ack.outcome, i32::from(Outcome::Applied));
    holding
}

fn snapshot(holding: &Holding) -> std::sync::Arc<gatewright_engine::Snapshot> {
    holding.live().current.load_full()
}

fn refused(ack: &Ack) -> Vec<&str> {
    ack.deviations.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn a_delta_that_does_not_start_from_what_is_held_changes_nothing() {
    let mut control = ControlPlane::default();
    let mut holding = start(&mut control);
    let upserts = vec![control.put(Kind::Route, route("new"))];
    let delta = control.delta(upserts);
    let broken = [
        Delta {
            from_revision: 7,
            ..delta.clone()
        },
        Delta {
            epoch: "another".to_owned(),
            ..delta.clone()
        },
        Delta {
            digest: vec![1; 16],
            ..delta.clone()
        },
        Delta {
            from_revision: 0,
            ..delta.clone()
        },
    ];
    for delta in broken {
        assert_eq!(holding.apply(delta), Err(NotApplied::DoesNotFit));
        assert_eq!(holding.revision(), 1);
    }
    holding.apply(delta).unwrap();
    assert_eq!(snapshot(&holding).routes.len(), 2);
}

#[test]
fn a_broken_delta_is_refused_whole() {
    let mut control = ControlPlane::default();
    let mut holding = start(&mut control);
    let update = control.put(Kind::Route, route("new"));
    let delta = control.delta(vec![update.clone()]);
    let foreign = Update {
        kind: "waf_policy".to_owned(),
        ..update.clone()
    };
    let short = Update {
        version: vec![1],
        ..update.clone()
    };
    let gone = Delta {
        removals: vec![Removal {
            kind: update.kind.clone(),
            name: update.name.clone(),
        }],
        ..delta.clone()
    };
    let of = |upserts| Delta {
        upserts,
        ..delta.clone()
    };
    for delta in [
        of(vec![update.clone(), update]),
        of(vec![foreign]),
        of(vec![short]),
        gone,
    ] {
        assert!(matches!(holding.apply(delta), Err(NotApplied::Broken(_))));
        assert_eq!(snapshot(&holding).routes.len(), 1);
    }
}

#[test]
fn one_resource_of_three_is_refused_and_the_others_are_applied() {
    let mut control = ControlPlane::default();
    let mut holding = start(&mut control);
    let before = holding.digest();
    let upserts = vec![
        control.put(Kind::Service, service("ftp://a")),
        control.put(Kind::Route, route("new")),
        control.put(Kind::Consumer, json!({"name": "alice"})),
    ];
    let ack = holding.apply(control.delta(upserts)).unwrap();
    assert_eq!(ack.outcome, i32::from(Outcome::Partial));
    assert_eq!(refused(&ack), ["orders"]);
    assert_eq!(ack.deviations[0].mistakes[0].field, "url");
    assert_eq!(
        ack.deviations[0].held_version.len(),
        16,
        "the last good one"
    );
    assert_ne!(holding.digest(), before);
    assert_eq!(snapshot(&holding).routes.len(), 2);
    // Mended: the deviation is over.
    holding.distrust();
    let upserts = vec![control.put(Kind::Service, service("http://b"))];
    let mut delta = control.delta(upserts);
    delta.from_revision = 0;
    let ack = holding.apply(delta).unwrap();
    assert!(refused(&ack).is_empty());
    assert_eq!(holding.digest(), control.digest());
}

#[test]
fn what_was_refused_for_the_sake_of_another_is_tried_again_with_the_next_delta() {
    let mut control = ControlPlane::default();
    let mut holding = start(&mut control);
    let digest = format!("sha256:{}", "ab".repeat(32));
    let credential = |name: &str| json!({"name": name, "consumer": "alice", "digest": digest});
    let upserts = vec![
        control.put(Kind::Consumer, json!({"name": "alice"})),
        control.put(Kind::Credential, credential("old")),
    ];
    holding.apply(control.delta(upserts)).unwrap();
    let upserts = vec![control.put(Kind::Credential, credential("new"))];
    let ack = holding.apply(control.delta(upserts)).unwrap();
    assert_eq!(refused(&ack), ["new"]);
    // The one that had the key goes; the control plane does not send the other one again.
    let old = Key::new(Kind::Credential, "old");
    control.resources.remove(&old);
    let new = control
        .resources
        .remove(&Key::new(Kind::Credential, "new"))
        .unwrap();
    let mut delta = control.delta(Vec::new());
    delta.removals = vec![Removal {
        kind: "credential".to_owned(),
        name: "old".to_owned(),
    }];
    let ack = holding.apply(delta).unwrap();
    assert!(refused(&ack).is_empty());
    control.resources.insert(Key::of(&new), new);
    assert_eq!(holding.digest(), control.digest());
}

#[test]
fn a_plugin_that_was_refused_keeps_its_route_closed_over_restarts() {
    let mut control = ControlPlane::default();
    let mut holding = start(&mut control);
    let guard = json!({"name": "guard", "type": "from-the-future", "attach": {"route": "orders"}});
    let upserts = vec![control.put(Kind::Plugin, guard)];
    let ack = holding.apply(control.delta(upserts)).unwrap();
    assert_eq!(refused(&ack), ["guard"]);
    let folder = tempfile::tempdir().unwrap();
    let cache = ConfigCache::new(folder.path().to_owned());
    holding.keep(&cache).unwrap();
    for software in [env!("CARGO_PKG_VERSION"), "0.0.1"] {
        let mut again = Holding::new(Registry::default());
        let mut kept = cache.load().unwrap();
        software.clone_into(&mut kept.software);
        again.restore(kept);
        assert_eq!(again.resume(), holding.resume());
        let snapshot = snapshot(&again);
        assert!(matches!(snapshot.routes[0].action, Action::Forward(_)));
        assert_eq!(
            snapshot.routes[0].chain.instances.len(),
            1,
            "the closed instance"
        );
    }
}

#[test]
fn a_node_that_does_not_trust_what_it_holds_says_no_digest() {
    let mut control = ControlPlane::default();
    let mut holding = Holding::new(Registry::default());
    assert_eq!(holding.resume(), None);
    holding = start(&mut control);
    assert_eq!(
        holding.resume().unwrap().digest,
        control.digest().as_bytes()
    );
    holding.distrust();
    assert!(holding.resume().unwrap().digest.is_empty());
    assert_eq!(holding.list().len(), 2);
}

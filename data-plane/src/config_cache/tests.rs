use std::os::unix::fs::PermissionsExt as _;

use gatewright_engine::{live::Change, plugin::Registry};
use serde_json::json;

use super::*;

fn live() -> (Live, BTreeMap<Key, Refusal>) {
    let upsert = |kind: Kind, value| {
        let resource = kind.from_json(value).unwrap();
        (Key::of(&resource), Version::of(&resource), Some(resource))
    };
    let plugin = json!({"name": "p", "type": "unknown", "attach": {"route": "r"}});
    let mut live = Live::new(Registry::default());
    let rejects = live.apply(Change {
        revision: 7,
        upserts: vec![
            upsert(Kind::Service, json!({"name": "s", "url": "http://s"})),
            upsert(Kind::Route, json!({"name": "r", "service": "s"})),
            upsert(Kind::Plugin, plugin.clone()),
        ],
        ..Change::default()
    });
    let refusal = Refusal {
        version: rejects[0].version,
        body: Kind::Plugin.from_json(plugin).unwrap().to_bytes(),
        mistakes: vec![Mistake {
            code: "unknown_plugin".to_owned(),
            ..Mistake::default()
        }],
    };
    (live, BTreeMap::from([(rejects[0].key.clone(), refusal)]))
}

#[test]
fn what_was_kept_comes_back_with_what_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ConfigCache::new(folder.path().join("state"));
    assert!(cache.load().is_none());
    let (live, refusals) = live();
    cache.keep("epoch", &live, &refusals).unwrap();
    let kept = cache.load().unwrap();
    assert_eq!((kept.epoch.as_str(), kept.revision), ("epoch", 7));
    assert_eq!(kept.set.digest(), live.set.digest());
    assert_eq!(kept.refusals, refusals);
    assert!(kept.outdated().is_empty());
    let mut again = Live::new(Registry::default());
    again.restore(kept.set, BTreeMap::new(), kept.revision);
    assert_eq!(again.deviations(), live.deviations());
    let route = &again.current.load().routes[0];
    assert_eq!(route.chain.instances.len(), 1, "still closed");
}

#[test]
fn only_its_owner_may_read_the_file_and_nothing_else_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ConfigCache::new(folder.path().to_owned());
    let (live, refusals) = live();
    cache.keep("epoch", &live, &refusals).unwrap();
    cache.keep("epoch", &live, &refusals).unwrap();
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1);
    let mode = fs::metadata(folder.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_torn_or_foreign_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ConfigCache::new(folder.path().to_owned());
    let (live, refusals) = live();
    cache.keep("epoch", &live, &refusals).unwrap();
    let path = folder.path().join(FILE);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[60] ^= 1;
    for bytes in [
        &good[..good.len() - 1],
        &good[..20],
        b"something else",
        &[],
        &bad,
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(cache.load().is_none());
    }
}

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::Held;
use gatewright_proto::{Key, Kind};
use serde_json::json;

use super::{KEEP, Known, SLACK};
use crate::catalog::{Entry, State};

const TTL: Duration = Duration::from_secs(10);

/// The configuration with these targets.
fn state(targets: &[&str]) -> State {
    let mut state = State::default();
    for name in targets {
        let json = json!({"name": name, "upstream": "u", "address": "a:80", "ttl_ms": 10_000});
        let held = Held::new(Kind::Target.from_json(json).unwrap());
        let entry = Entry {
            encoded: held.resource.to_bytes(),
            held: Held {
                resource: Arc::clone(&held.resource),
                ..held
            },
            revision: 1,
            created_revision: 1,
            updated_at_ms: 0,
        };
        state.entries.insert(Key::new(Kind::Target, *name), entry);
    }
    state
}

fn due(known: &Known, state: &State, now: Instant) -> Vec<String> {
    let due = known.due(state, now).into_iter();
    due.map(|(target, _)| target).collect()
}

#[test]
fn a_target_is_due_when_its_time_and_the_slack_are_over() {
    let (known, start) = (Known::default(), Instant::now());
    let present = state(&["registered.u.a", "registered.u.b"]);
    assert_eq!(due(&known, &present, start), [""; 0], "first seen now");
    known.note("registered.u.a", start + TTL);
    let end = start + TTL + SLACK;
    assert_eq!(due(&known, &present, end), ["registered.u.b"]);
    known.learn("registered.u.b", 1000, end);
    assert_eq!(due(&known, &present, end), [""; 0], "another heard of it");
    known.learn("registered.u.b", 60_000, end);
    assert_eq!(
        due(&known, &present, end),
        [""; 0],
        "what is older is no news"
    );
}

#[test]
fn signs_of_life_are_saved_once_with_their_age_and_again_after_a_failure() {
    let (known, start) = (Known::default(), Instant::now());
    known.note("a", start);
    known.note("a", start + Duration::from_secs(1));
    let later = start + Duration::from_secs(3);
    let signs = known.take_unsaved(later);
    assert_eq!(signs.len(), 1);
    assert_eq!((&*signs[0].target, signs[0].age_ms), ("a", 2000));
    assert_eq!(known.take_unsaved(later), []);
    known.put_back(signs);
    assert_eq!(known.take_unsaved(later)[0].age_ms, 2000);
}

#[test]
fn targets_that_are_gone_are_forgotten_after_a_while() {
    let (known, start) = (Known::default(), Instant::now());
    known.note("registered.u.a", start);
    due(&known, &state(&[]), start);
    assert!(known.age_ms("registered.u.a", start).is_some(), "joining");
    due(&known, &state(&[]), start + KEEP);
    assert!(known.age_ms("registered.u.a", start).is_none());
}

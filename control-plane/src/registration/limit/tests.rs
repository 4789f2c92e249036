use gatewright_proto::v1;

use super::{Limits, Room, Tally};

const LIMITS: Limits = Limits {
    upstream: Room {
        targets: 2,
        label_bytes: 10,
    },
    token: Room {
        targets: 3,
        label_bytes: 14,
    },
};

fn target(upstream: &str, token: &str, label: &str) -> v1::Target {
    let labels = match label {
        "" => [].into(),
        label => [("k".to_owned(), label.to_owned())].into(),
    };
    v1::Target {
        upstream: upstream.to_owned(),
        registered_by: Some(token.to_owned()),
        labels,
        ..v1::Target::default()
    }
}

#[test]
fn targets_are_bounded_for_an_upstream_and_for_a_token() {
    let mut tally = Tally::default();
    let mut join = |upstream: &str, token: &str| {
        let target = target(upstream, token, "");
        tally
            .admit(&LIMITS, None, &target)
            .map_err(|it| it.to_string())
    };
    assert_eq!(join("a", "one"), Ok(()));
    assert_eq!(join("a", "one"), Ok(()));
    let full = "`upstream/a` may have at most 2 targets that registered themselves";
    assert_eq!(join("a", "two"), Err(full.to_owned()));
    assert_eq!(join("b", "one"), Ok(()));
    let full = "at most 3 targets may be registered with the token `one`";
    assert_eq!(join("b", "one"), Err(full.to_owned()));
    assert_eq!(join("b", "two"), Ok(()));
}

#[test]
fn label_bytes_are_bounded_and_what_leaves_makes_room() {
    let mut tally = Tally::default();
    let first = target("a", "one", "1234567");
    tally.admit(&LIMITS, None, &first).unwrap();
    let second = target("a", "one", "12");
    let full = tally.admit(&LIMITS, None, &second).unwrap_err().to_string();
    assert!(
        full.contains("`upstream/a` may have at most 10 bytes"),
        "{full}"
    );
    // Of another upstream, until the token has no more.
    tally
        .admit(&LIMITS, None, &target("b", "one", "1234"))
        .unwrap();
    let full = tally.admit(&LIMITS, None, &target("c", "one", "12"));
    let full = full.unwrap_err().to_string();
    assert!(
        full.contains("token `one` may have at most 14 bytes"),
        "{full}"
    );
    tally.remove(&first);
    tally.admit(&LIMITS, None, &second).unwrap();
}

#[test]
fn what_does_not_grow_finds_room_though_the_limit_was_lowered() {
    let generous = Limits {
        upstream: Room {
            targets: 9,
            label_bytes: 99,
        },
        ..Limits::default()
    };
    let mut tally = Tally::default();
    let large = target("a", "one", "12345678901234567890");
    for _ in 0..3 {
        tally.admit(&generous, None, &large).unwrap();
    }
    let smaller = target("a", "one", "1234");
    tally.admit(&LIMITS, Some(&large), &large).unwrap();
    tally.admit(&LIMITS, Some(&large), &smaller).unwrap();
    tally.admit(&LIMITS, Some(&smaller), &large).unwrap_err();
}

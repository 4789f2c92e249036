//! Many regular expressions on one host.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{get, snapshot};
use crate::{ResourceSet, compile, plugin::Registry};

fn piece() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "/a", "/b", "/ab", "/c/d", "/[ab]+", "/.*", "(?:/x)?", "/a|/b", "b", "(?i)/A", "/a{1,2}",
        "/\\w+", "$",
    ])
    .prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_first_that_matches_is_found_as_if_they_were_tried_in_turn(
        expressions in prop::collection::vec(expression(), 1..60),
        paths in prop::collection::vec("(/(a|b|ab|aa|c/d|x|A)){1,3}/?", 16),
    ) {
        let named = |(place, text): (usize, &String)| {
            json!({"name": format!("r{place:02}"), "paths": [{"regex": text}]})
        };
        let routes: Vec<Value> = expressions.iter().enumerate().map(named).collect();
        let snapshot = snapshot(&routes);
        for path in paths {
            let matches = |text: &String| {
                regex::Regex::new(&format!("^(?:{text})$")).unwrap().is_match(&path)
            };
            let first = expressions.iter().position(matches);
            let first = first.map_or(String::new(), |place| format!("r{place:02}"));
            prop_assert_eq!(get(&snapshot, "h", &path), first, "{}", path);
        }
    }
}

#[test]
fn many_are_found_by_their_beginning_and_in_sets() {
    let mut routes: Vec<Value> = (0..300)
        .map(|it| json!({"paths": [{"regex": format!("/shop/{it}/[a-z]+")}]}))
        .collect();
    routes.extend((300..600).map(|it| json!({"paths": [{"regex": format!("/[a-z]+/{it}")}]})));
    let snapshot = snapshot(&routes);
    for it in [0, 1, 150, 299] {
        assert_eq!(
            get(&snapshot, "h", &format!("/shop/{it}/x")),
            format!("r{it}")
        );
    }
    for it in [300, 450, 599] {
        assert_eq!(
            get(&snapshot, "h", &format!("/shop/{it}")),
            format!("r{it}")
        );
    }
    assert_eq!(get(&snapshot, "h", "/shop/7/7"), "");
}

#[test]
fn one_more_expression_compiles_one_more_set() {
    let resources = |count: usize| -> ResourceSet {
        let route = |it: usize| {
            gatewright_proto::Kind::Route.from_json(json!({
                "name": format!("r{it}"), "paths": [{"regex": format!("/[a-z]+/{it}")}], "redirect": {"host": "b.test"},
            }))
        };
        (0..count).map(|it| route(it).unwrap()).collect()
    };
    let registry = Registry::default();
    let first = compile(1, &resources(200), &registry, None);
    assert_eq!(first.errors, []);
    let second = compile(2, &resources(201), &registry, Some(&first.snapshot));
    let texts = |compiled: &crate::Compiled| compiled.snapshot.router.set_texts();
    let (first, second) = (texts(&first), texts(&second));
    assert!(first.len() > 3);
    assert_eq!(second.iter().filter(|set| !first.contains(set)).count(), 1);
}

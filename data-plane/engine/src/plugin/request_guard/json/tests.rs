//! Each bound, and that what is read as JSON is JSON.

use proptest::prelude::*;

use super::{Bounds, What, check};

const WIDE: Bounds = Bounds {
    depth: 10_000,
    keys: u32::MAX,
    items: u32::MAX,
    token: usize::MAX,
};

#[test]
fn each_bound_is_held_to_the_last_one_that_is_allowed() {
    let bounds = Bounds {
        depth: 2,
        keys: 2,
        items: 3,
        token: 4,
    };
    for (text, what) in [
        ("[[1]]", None),
        ("[[[1]]]", Some(What::TooDeep(2))),
        (r#"[{"a":{}}]"#, Some(What::TooDeep(2))),
        (r#"{"a":1,"b":2}"#, None),
        (r#"{"a":1,"b":2,"a":3}"#, Some(What::TooManyKeys(2))),
        ("[1,2,3]", None),
        ("[1,2,3,4]", Some(What::TooManyItems(3))),
        ("[[1,2,3],[1,2,3]]", None),
        (r#""abcd""#, None),
        (r#""abcde""#, Some(What::TooLong(4))),
        (r#"{"abcde":1}"#, Some(What::TooLong(4))),
        ("12345", Some(What::TooLong(4))),
        ("\"\u{fc}\u{fc}\"", None),
    ] {
        let found = check(text.as_bytes(), &bounds).err().map(|it| it.what);
        assert_eq!(found, what, "{text}");
    }
}

#[test]
fn nesting_of_any_depth_is_refused_and_not_followed() {
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(1_000_000);
        let wrong = check(deep.as_bytes(), &WIDE).unwrap_err();
        assert_eq!(wrong.what, What::TooDeep(10_000));
    }
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    assert_eq!(check(deep.as_bytes(), &WIDE), Ok(()));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let said = |text: &[u8]| check(text, &WIDE).unwrap_err().to_string();
    assert_eq!(said(b"[1,]"), "the body is not JSON, at byte 3");
    assert_eq!(said(b"[\"\xff\"]"), "the body is not UTF-8, at byte 2");
}

proptest! {
    #[test]
    fn what_is_json_is_what_others_say_is(text in r#"[\[\]{},:"\\a10.eE+\- tu]{0,12}|-?[0-9.eE+-]{1,6}|[\[{]"[a\\u0]{0,5}"[:,][0-9]?[\]}]"#) {
        let other = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(check(text.as_bytes(), &WIDE).is_ok(), other, "{}", text);
    }
}

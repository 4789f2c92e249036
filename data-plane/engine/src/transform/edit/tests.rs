//! Steps as a table: settings, a document, and what becomes of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EditSettings, apply, compile};
use crate::transform::Document;

fn edited(settings: &Value, document: &str) -> String {
    let settings = match settings {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    };
    let steps: Vec<EditSettings> = settings
        .into_iter()
        .map(|step| serde_json::from_value(step).unwrap())
        .collect();
    let edits = match compile(&steps) {
        Ok(edits) => edits,
        Err((index, field, reason)) => return format!("[{index}]{field}: {reason}"),
    };
    let mut document = Document::from_json(document.as_bytes(), 1000).unwrap();
    match apply(&edits, &mut document, 100) {
        Ok(()) => String::from_utf8(document.to_json()).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_change_places() {
    let rename = json!({"rename": {"at": "/l/*/id", "to": "sku"}});
    for (settings, document, expected) in [
        (
            json!({"move": {"from": "/a", "to": "/b/c"}}),
            r#"{"a":1.50,"z":0}"#,
            r#"{"z":0,"b":{"c":1.50}}"#,
        ),
        (
            json!({"move": {"from": "/a", "to": "/b"}}),
            r#"{"z":0}"#,
            r#"{"z":0}"#,
        ),
        (
            json!({"move": {"from": "/l/0", "to": "/l/-"}}),
            r#"{"l":[1,2,3]}"#,
            r#"{"l":[2,3,1]}"#,
        ),
        (
            json!({"copy": {"from": "/a", "to": "/b"}}),
            r#"{"a":[1],"b":2}"#,
            r#"{"a":[1],"b":[1]}"#,
        ),
        (
            json!({"copy": {"from": "", "to": "/all"}}),
            r#"{"a":1}"#,
            r#"{"a":1,"all":{"a":1}}"#,
        ),
        (
            rename,
            r#"{"l":[{"x":0,"id":1,"sku":9},{"id":2},3]}"#,
            r#"{"l":[{"x":0,"sku":1},{"sku":2},3]}"#,
        ),
        (json!({"wrap": "data"}), "[1]", r#"{"data":[1]}"#),
        (
            json!({"unwrap": "/data"}),
            r#"{"data":[1],"meta":2}"#,
            "[1]",
        ),
        (json!({"unwrap": "/data"}), r#"{"meta":2}"#, "null"),
        (
            json!({"flatten": "/l"}),
            r#"{"l":[[1,[2]],3,[]]}"#,
            r#"{"l":[1,[2],3]}"#,
        ),
    ] {
        assert_eq!(edited(&settings, document), expected, "{settings}");
    }
}

#[test]
fn values_are_selected() {
    let keep = json!({"keep": ["/a", "/l/*/x", "/m/1", "/none"]});
    let all = r#"{"a":{"z":1},"b":2,"l":[{"x":1,"y":2},3],"m":[1,2,3]}"#;
    let on = r#"{"l":[{"on":true,"a":1},{"on":false},{"on":""},{}]}"#;
    for (settings, document, expected) in [
        (
            json!({"remove": ["/a", "/l/*/x", "/n/x"]}),
            r#"{"a":1,"l":[{"x":1,"y":2}]}"#,
            r#"{"l":[{"y":2}]}"#,
        ),
        (
            json!({"remove": ["/l/*", "/~2"]}),
            r#"{"l":[1,2],"*":3}"#,
            r#"{"l":[]}"#,
        ),
        (keep, all, r#"{"a":{"z":1},"l":[{"x":1}],"m":[2]}"#),
        (json!({"keep": ["/a"]}), "3", "null"),
        (
            json!({"filter": {"at": "/l", "by": "/on"}}),
            on,
            r#"{"l":[{"on":true,"a":1}]}"#,
        ),
        (
            json!({"filter": {"at": "", "any": [1, "b"]}}),
            r#"[1,2,"b","1"]"#,
            r#"[1,"b"]"#,
        ),
        (
            json!({"filter": {"at": "", "any": [1], "not": true}}),
            "[1,2]",
            "[2]",
        ),
    ] {
        assert_eq!(edited(&settings, document), expected, "{settings}");
    }
}

#[test]
fn values_are_replaced() {
    let map = json!({"map": {"at": "/*/s", "values": {"1": "open", "true": {"a": []}}}});
    let mapped = r#"[{"s":"open"},{"s":{"a":[]}},{"s":"open"},{"s":2},{"s":[1]}]"#;
    // RFC 7396, its own example.
    let merge = json!({"merge": {"title": "Hello!", "phoneNumber": "+01-123-456-7890",
        "author": {"familyName": null}, "tags": ["example"]}});
    let goodbye = r#"{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},"tags":["example","sample"],"content":"This will be unchanged"}"#;
    let hello = r#"{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}"#;
    for (settings, document, expected) in [
        (
            json!({"set": {"at": "/a/b", "value": {"c": 1}}}),
            "{}",
            r#"{"a":{"b":{"c":1}}}"#,
        ),
        (
            json!({"default": {"at": "/a", "value": 1}}),
            r#"{"a":null}"#,
            r#"{"a":1}"#,
        ),
        (
            json!({"default": {"at": "/a", "value": 1}}),
            r#"{"a":false}"#,
            r#"{"a":false}"#,
        ),
        (
            map,
            r#"[{"s":1},{"s":true},{"s":"1"},{"s":2},{"s":[1]}]"#,
            mapped,
        ),
        (
            json!({"map": {"at": "/s", "values": {}, "otherwise": "null"}}),
            r#"{"s":2}"#,
            r#"{"s":null}"#,
        ),
        (merge, goodbye, hello),
        (
            json!({"merge": {"a": {"b": {"c": null, "d": 1}}}}),
            r#"{"a":"x"}"#,
            r#"{"a":{"b":{"d":1}}}"#,
        ),
    ] {
        assert_eq!(edited(&settings, document), expected, "{settings}");
    }
}

#[test]
fn mistakes_and_what_is_in_the_way_are_named() {
    let double = json!({"copy": {"from": "", "to": "/a"}});
    let doubles = Value::Array(vec![double; 20]);
    let nested = Value::Array(vec![
        json!({"copy": {"from": "", "to": "/a".repeat(32)}});
        5
    ]);
    let in_the_way = "something that is no object or has no such item is in the way";
    let escapes =
        "[0]remove: `~` must be written `~0`, `/` within a name `~1`, and `*` as a name `~2`";
    for (settings, document, expected) in [
        (
            json!({"set": {"at": "/a/b", "value": 1}}),
            r#"{"a":2}"#,
            &*format!("at `/a/b`: {in_the_way}"),
        ),
        (
            json!({"set": {"at": "/l/2", "value": 1}}),
            r#"{"l":[0]}"#,
            &*format!("at `/l/2`: {in_the_way}"),
        ),
        (doubles, r#"{"b":1}"#, "has more than 100 values"),
        (
            Value::Array(vec![json!({"wrap": "a"}); 101]),
            "1",
            "[100]: is one of more than 100 steps",
        ),
        (
            nested,
            "1",
            "[4]: may nest the document 128 levels deeper, with those before",
        ),
        (json!({}), "1", "[0]: has no step"),
        (
            json!({"wrap": "a", "unwrap": "/b"}),
            "1",
            "[0]: has more than one step: write one an entry",
        ),
        (
            json!({"set": {"at": "/*", "value": 1}}),
            "1",
            "[0]set.at: must be one place, without `*`",
        ),
        (
            json!({"move": {"from": "/a", "to": "/a/b"}}),
            "1",
            "[0]move.to: is within what is moved",
        ),
        (
            json!({"rename": {"at": "/*", "to": "a"}}),
            "1",
            "[0]rename.at: must end with a name",
        ),
        (
            json!({"remove": ["a"]}),
            "1",
            "[0]remove: must begin with `/`",
        ),
        (json!({"remove": ["/~"]}), "1", escapes),
        (
            json!({"remove": []}),
            "1",
            "[0]remove: must have 1 to 1000 places",
        ),
        (
            json!({"unwrap": ""}),
            "1",
            "[0]unwrap: is the document itself",
        ),
    ] {
        assert_eq!(edited(&settings, document), expected, "{settings}");
    }
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just(json!(1)), Just(json!(null)), Just(json!("a"))];
    let value = leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map("[ab*/0]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    value.prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn what_is_put_somewhere_is_found_there(document in document(), at in "(/(a|b|0|1|~0|~1|~2)){1,4}") {
        let said = edited(&json!({"set": {"at": at, "value": "new"}}), &document);
        if !said.starts_with("at `") {
            let unwrapped = edited(&json!({"unwrap": at}), &said);
            prop_assert_eq!(unwrapped, "\"new\"");
        }
    }

    #[test]
    fn what_is_removed_is_not_kept(document in document(), at in "(/(a|b|~2)){1,3}") {
        let removed = edited(&json!({"remove": [at]}), &document);
        let put = edited(&json!({"default": {"at": at, "value": "new"}}), &removed);
        if !put.starts_with("at `") {
            prop_assert_eq!(edited(&json!({"unwrap": at}), &put), "\"new\"");
        }
        prop_assert!(removed.len() <= document.len().max(4));
    }
}

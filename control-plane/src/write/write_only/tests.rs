use gatewright_proto::{Kind, Resource};
use serde_json::{Value, json};

use super::{hidden_changes, keep_stored, prepare_patch, redact, seal};

fn read(kind: Kind, json: Value) -> Resource {
    kind.from_json(json).unwrap()
}

fn credential(json: Value) -> Resource {
    read(Kind::Credential, json)
}

#[test]
fn a_key_becomes_a_digest_and_at_most_a_quarter_of_it_stays_readable() {
    let mut long = credential(json!({"name": "a", "key": "0123456789abcdef0123456789abcdef"}));
    seal(&mut long).unwrap();
    let shown = redact(&long);
    assert_eq!(shown["prefix"], "01234567");
    assert_eq!(shown.get("key"), None);
    let mut short = credential(json!({"name": "a", "key": "a-secret"}));
    seal(&mut short).unwrap();
    assert_eq!(redact(&short)["prefix"], "a-");
    let digest = "sha256:32f40a6ff1b34b2c5c6ea38c1a9a3dc9a0ce1ae9c7b2b9c1dcd34e7d1ad0ac0c";
    assert_eq!(
        redact(&short)["digest"].as_str().unwrap().len(),
        digest.len()
    );
}

#[test]
fn a_key_of_a_wrong_form_or_with_a_digest_is_refused() {
    for (json, field) in [
        (json!({"name": "a", "key": "short"}), "key"),
        (json!({"name": "a", "key": "with a space"}), "key"),
        (
            json!({"name": "a", "key": "long-enough", "digest": "sha256:0"}),
            "digest",
        ),
        (
            json!({"name": "a", "key": "long-enough", "prefix": "zz"}),
            "prefix",
        ),
    ] {
        let mistake = seal(&mut credential(json.clone())).unwrap_err();
        assert_eq!(mistake.field, field, "{json}");
        assert_eq!(mistake.resource, "credential/a");
    }
}

#[test]
fn what_is_left_out_of_a_replacement_stays() {
    let stored = read(Kind::Secret, json!({"name": "a", "value": "v"}));
    let mut new = read(Kind::Secret, json!({"name": "a", "labels": {"x": "y"}}));
    keep_stored(&mut new, Some(&stored));
    assert_eq!(new.to_json().unwrap()["value"], "v");
    assert_eq!(redact(&new).get("value"), None);
    let mut stored = credential(json!({"name": "a", "key": "a-long-enough-key"}));
    seal(&mut stored).unwrap();
    let mut new = credential(json!({"name": "a", "enabled": false}));
    keep_stored(&mut new, Some(&stored));
    assert_eq!(redact(&new)["digest"], redact(&stored)["digest"]);
}

#[test]
fn a_patch_with_a_key_replaces_digest_and_prefix() {
    let mut stored = json!({"name": "a", "digest": "sha256:0", "prefix": "ab", "consumer": "c"});
    prepare_patch(
        Kind::Credential,
        &mut stored,
        &json!({"key": "another-key"}),
    );
    assert_eq!(stored, json!({"name": "a", "consumer": "c"}));
}

#[test]
fn a_private_key_is_hidden_but_not_the_name_of_a_secret() {
    let certificate = |key| read(Kind::Certificate, json!({"name": "a", "private_key": key}));
    assert_eq!(redact(&certificate("PEM")).get("private_key"), None);
    assert_eq!(redact(&certificate("secret:k"))["private_key"], "secret:k");
    assert_eq!(
        hidden_changes(&certificate("PEM"), &certificate("other")),
        ["private_key"]
    );
    assert!(hidden_changes(&certificate("PEM"), &certificate("PEM")).is_empty());
}

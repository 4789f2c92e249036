//! The keys of a JWKS, always written alike: what is not needed is left out, and the order says nothing. So only keys
//! that really change make a revision.

use gatewright_engine::jwt::{Keys, parse_strict_json};
use serde_json::{Map, Value, json};

use super::answer::FetchError;

/// Members that a public key is told by.
const MEMBERS: [&str; 9] = ["kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x"];
/// Most keys that cannot be used and are told of.
const MAX_TOLD: usize = 10;

/// The keys that can be used, as a JWKS, and those that cannot, and why.
///
/// # Errors
/// What is no JWKS, or has no key for verifying signatures.
pub(super) fn keys(document: &[u8]) -> Result<(String, Vec<String>), FetchError> {
    let read = Keys::from_jwks(document).map_err(|error| FetchError(error.0))?;
    let (_, skipped) = read;
    let json = parse_strict_json(document).unwrap_or_default();
    let all = json["keys"].as_array().cloned().unwrap_or_default();
    let (mut usable, mut told) = (Vec::new(), Vec::new());
    for (index, key) in all.iter().enumerate() {
        let reason = match skipped.iter().find(|it| it.index == index) {
            Some(skipped) => Some(skipped.reason.as_str()),
            None if key["kty"] == "oct" => Some("a secret, which everybody can read there"),
            None => None,
        };
        match reason {
            None => usable.push(public(key)),
            Some(reason) => {
                let kid = key["kid"].as_str().filter(|it| it.len() <= 256);
                told.push(format!("{}: {reason}", kid.unwrap_or("without `kid`")));
            }
        }
    }
    told.truncate(MAX_TOLD);
    if usable.is_empty() {
        let why = told.first().map(|it| format!("; {it}")).unwrap_or_default();
        return Err(FetchError(format!(
            "a JWKS without a key for verifying signatures{why}"
        )));
    }
    usable.sort_by_key(ToString::to_string);
    usable.dedup();
    let mut jwks = json!({"keys": usable});
    jwks.sort_all_objects();
    Ok((jwks.to_string(), told))
}

fn public(key: &Value) -> Value {
    let mut members = Map::new();
    for name in MEMBERS.iter().chain(&["y"]) {
        if let Some(value) = key.get(*name) {
            members.insert((*name).to_owned(), value.clone());
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::keys;

    const ONE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const OTHER: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"2","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn the_same_keys_are_written_alike_whatever_stands_beside_them() {
        let plain = keys(format!(r#"{{"keys":[{ONE},{OTHER}]}}"#).as_bytes()).unwrap();
        let noisy = format!(
            r#"{{"x":1,"keys":[{OTHER},{{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}},{{"kty":"new"}},{}]}}"#,
            ONE.replace("\"kty\"", "\"x5t\":\"abc\",\"kty\"")
        );
        let noisy = keys(noisy.as_bytes()).unwrap();
        assert_eq!(plain.0, noisy.0);
        assert_eq!((plain.1.len(), noisy.1.len()), (0, 2));
        assert!(!noisy.0.contains("AyM1"), "a secret stays out");
    }

    #[test]
    fn what_has_no_key_is_refused() {
        for document in [
            "",
            "[]",
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"x"}]}"#,
        ] {
            assert!(keys(document.as_bytes()).is_err(), "{document}");
        }
    }
}

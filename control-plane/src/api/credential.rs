//! What credentials have beyond other resources: keys that are made here and shown once, and when they were last
//! used.

use std::collections::HashMap;

use aws_lc_rs::rand;
use gatewright_proto::Kind;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Api, ApiError};

/// What a key begins with that was made here, so that scanners for leaked secrets know it.
const KEY_MARK: &str = "gw_";
/// Characters after it: 238 bits.
const KEY_CHARACTERS: usize = 40;
/// Characters of a made name after the consumer's.
const NAME_CHARACTERS: usize = 8;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Largest multiple of the alphabet's size that fits a byte: what is above would favour some characters.
const FAIR: u8 = 248;

/// A key that was made for a credential which came without one.
pub(super) struct FreshKey(Zeroizing<String>);

impl FreshKey {
    /// Makes one for a new credential that comes without key and digest.
    ///
    /// # Errors
    /// The random generator of the system failed.
    pub(super) fn of(kind: Kind, json: &mut Value) -> Result<Option<Self>, ApiError> {
        let Some(fields) = json.as_object_mut().filter(|_| kind == Kind::Credential) else {
            return Ok(None);
        };
        let given = |field: &str| fields.get(field).is_some_and(|it| !it.is_null());
        let is_key = fields
            .get("type")
            .is_none_or(|it| it.is_null() || it == "key");
        if !is_key || given("key") || given("digest") {
            return Ok(None);
        }
        let key = Zeroizing::new(format!("{KEY_MARK}{}", random(KEY_CHARACTERS)?));
        fields.insert("key".to_owned(), Value::String(key.to_string()));
        Ok(Some(Self(key)))
    }

    /// Shows it, this once.
    pub(super) fn show(&self, json: &mut Value) {
        json["key"] = Value::String(self.0.to_string());
    }
}

/// A name for a credential of a consumer that comes without one.
///
/// # Errors
/// The random generator of the system failed.
pub(super) fn name(consumer: &str) -> Result<String, ApiError> {
    Ok(format!("{consumer}-{}", random(NAME_CHARACTERS)?))
}

/// Tells when each was last used. Where the database does not say, nothing is told.
pub(super) async fn tell_use(api: &Api, kind: Kind, items: &mut [Value]) {
    if kind != Kind::Credential || items.is_empty() {
        return;
    }
    let names: Vec<&str> = items.iter().filter_map(|it| it["name"].as_str()).collect();
    let known = api.catalog.store.last_used(&names).await;
    let known: HashMap<String, u64> = known.unwrap_or_default();
    for item in items {
        let used = item["name"].as_str().and_then(|name| known.get(name));
        if let Some(used) = used {
            item["last_used_at_ms"] = (*used).into();
        }
    }
}

fn random(characters: usize) -> Result<String, ApiError> {
    let mut text = String::with_capacity(characters);
    while text.len() < characters {
        let mut bytes = Zeroizing::new([0_u8; 64]);
        rand::fill(&mut *bytes).map_err(|_| ApiError::Internal)?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let more = fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(more.take(characters - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use gatewright_proto::Kind;
    use serde_json::json;

    use super::FreshKey;

    #[test]
    fn a_key_is_made_only_where_none_is_given_and_no_two_are_the_same() {
        for given in [
            json!({"key": "given-by-the-client"}),
            json!({"digest": "sha256:00"}),
            json!({"type": "basic"}),
        ] {
            let fresh = FreshKey::of(Kind::Credential, &mut given.clone());
            assert!(fresh.unwrap().is_none(), "{given}");
        }
        let other = FreshKey::of(Kind::Consumer, &mut json!({"name": "a"}));
        assert!(other.unwrap().is_none());
        let (mut one, mut two) = (json!({"name": "a"}), json!({"name": "a", "key": null}));
        for json in [&mut one, &mut two] {
            assert!(FreshKey::of(Kind::Credential, json).unwrap().is_some());
            let key = json["key"].as_str().unwrap();
            assert_eq!((key.len(), &key[..3]), (43, "gw_"));
        }
        assert_ne!(one["key"], two["key"]);
    }
}

//! A set of keys, and which of them a token may be signed with.

use serde_json::Value;

use super::{
    Algorithm, Key,
    jwk::{self, Unused},
    pem, strict_json,
};

/// Largest JWKS, in bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;
/// Most keys of a set.
const MAX_KEYS: usize = 100;
/// Most keys that one token is tried with: those of its `kid`, or all that fit where it has none.
const MAX_TRIES: usize = 4;

/// A set of keys.
#[derive(Debug, Default)]
pub struct Keys {
    /// The keys that can be used, in the order of the set.
    pub list: Vec<Key>,
}

/// A key of a set that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the set.
    pub index: usize,
    /// Why.
    pub reason: String,
    /// Whether it is not what a key must be, rather than one for something else.
    pub broken: bool,
}

/// That a document is no set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidKeys(pub String);

impl Keys {
    /// Reads a JWKS (RFC 7517 section 5). Keys that cannot be used are told beside the others.
    ///
    /// # Errors
    /// A document that is not JSON, has a member twice, is no JWKS, is larger than 256 KiB, or has more than 100 keys.
    pub fn from_jwks(document: &[u8]) -> Result<(Self, Vec<Skipped>), InvalidKeys> {
        let invalid = |reason: &str| InvalidKeys(reason.to_owned());
        if document.len() > MAX_JWKS_BYTES {
            return Err(invalid("a JWKS of more than 256 KiB"));
        }
        let json = strict_json::parse(document);
        let json = json.map_err(|error| InvalidKeys(format!("not a JWKS: {error}")))?;
        let Some(list) = json.get("keys").and_then(Value::as_array) else {
            return Err(invalid("not a JWKS: it has no list `keys`"));
        };
        if list.len() > MAX_KEYS {
            return Err(InvalidKeys(format!("more than {MAX_KEYS} keys")));
        }
        let (mut keys, mut skipped) = (Self::default(), Vec::new());
        for (index, jwk) in list.iter().enumerate() {
            let read = match jwk.as_object() {
                Some(jwk) => jwk::read(jwk),
                None => Err(Unused::Broken("not an object".to_owned())),
            };
            let (reason, broken) = match read {
                Ok(key) => {
                    keys.list.push(key);
                    continue;
                }
                Err(Unused::Other(reason)) => (reason.to_owned(), false),
                Err(Unused::Broken(reason)) => (reason, true),
            };
            skipped.push(Skipped {
                index,
                reason,
                broken,
            });
        }
        Ok((keys, skipped))
    }

    /// Reads public keys from PEM: `PUBLIC KEY` and `CERTIFICATE`, of which only the key counts.
    ///
    /// # Errors
    /// A text without a key, with more than 100 or with a private one; a key for none of the algorithms.
    pub fn from_pem(
        text: &str,
        kid: Option<&str>,
        algorithms: &[Algorithm],
    ) -> Result<Self, InvalidKeys> {
        let ders = pem::public_keys(text).map_err(InvalidKeys)?;
        if ders.is_empty() || ders.len() > MAX_KEYS {
            let reason = format!("PEM with {} public keys; 1 to {MAX_KEYS}", ders.len());
            return Err(InvalidKeys(reason));
        }
        let mut keys = Self::default();
        for der in ders {
            let key = Key::der(&der, algorithms).map_err(InvalidKeys)?;
            keys.list.push(key.named(kid));
        }
        Ok(keys)
    }

    /// A secret that both sides share.
    ///
    /// # Errors
    /// One of fewer bytes than an algorithm's hash.
    pub fn from_secret(
        secret: &[u8],
        kid: Option<&str>,
        algorithms: &[Algorithm],
    ) -> Result<Self, InvalidKeys> {
        let key = Key::secret(secret, algorithms).map_err(InvalidKeys)?;
        Ok(Self {
            list: vec![key.named(kid)],
        })
    }

    /// Adds those of another set.
    pub fn extend(&mut self, others: Self) {
        self.list.extend(others.list);
    }

    /// Whether a key has this name.
    pub fn has(&self, kid: &str) -> bool {
        self.list.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// The keys that a token of this `kid` may be signed with, with that algorithm: those of the name, or, where no key
    /// has it, those without a name. A token without a name may be signed with any.
    pub(super) fn fitting(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Key> {
        let known = kid.is_some_and(|kid| self.has(kid));
        let fits = move |key: &&Key| {
            let named = match (kid, key.kid.as_deref()) {
                (None, _) => true,
                (Some(_), None) => !known,
                (Some(wanted), Some(its)) => wanted == its,
            };
            named && key.algorithms().any(|its| its == algorithm)
        };
        self.list.iter().filter(fits).take(MAX_TRIES)
    }
}

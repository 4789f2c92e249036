//! Secrets that settings refer to: where a reference leads, and the text that is there.
//!
//! `secret:` and `vault:` lead to resources of the kind `secret`, which the control plane keeps and delivers (what is in
//! Vault it fetches). `env:` and `file:` lead to the machine of the node, which is asked through [`LocalSecrets`],
//! since the engine reads nothing itself. What is not there closes what needs it.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use gatewright_proto::{Key, Kind, Resource};
use zeroize::Zeroizing;

use crate::ResourceSet;

/// Largest secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;
/// How the names of secrets begin that the control plane fetches because a setting refers to them.
pub const FETCHED: &str = "vault.";
/// Bytes of the hash of a reference that are in the name of such a secret.
const HASH_BYTES: usize = 16;

/// Where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `secret:NAME` and `secret:NAME#FIELD`: a resource; with a field, the member of this name of the JSON
    /// object that it holds.
    Secret(String, Option<String>),
    /// `env:NAME`: a variable of the node's environment.
    Env(String),
    /// `file:PATH`: a file within the folder that the node's settings allow.
    File(String),
    /// `vault:MOUNT/PATH#FIELD`: a field of a secret in HashiCorp Vault, of the engine KV version 2.
    Vault(String),
}

impl Place {
    /// Reads a reference.
    ///
    /// # Errors
    /// It has none of the forms; says which there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (form, rest) = text.split_once(':').unwrap_or_default();
        match form {
            "secret" => {
                let (name, field) = match rest.split_once('#') {
                    Some((name, field)) => (name, Some(field.to_owned())),
                    None => (rest, None),
                };
                let named = Key::check_name(name).is_ok() && field.as_deref() != Some("");
                let place = Self::Secret(name.to_owned(), field);
                named.then_some(place).ok_or_else(|| {
                    "write `secret:NAME` or `secret:NAME#FIELD`".to_owned()
                })
            }
            "env" if !rest.is_empty() && !rest.contains(['=', '\0']) => {
                Ok(Self::Env(rest.to_owned()))
            }
            "file" if !rest.is_empty() && !rest.contains('\0') => Ok(Self::File(rest.to_owned())),
            "vault" if is_vault(rest) => Ok(Self::Vault(rest.to_owned())),
            "vault" => Err("write `vault:MOUNT/PATH#FIELD`".to_owned()),
            // What was written may be the secret itself.
            _ => Err(
                "a secret is referred to as `secret:NAME`, `secret:NAME#FIELD`, `env:NAME`, `file:PATH` or \
                 `vault:MOUNT/PATH#FIELD`"
                    .to_owned(),
            ),
        }
    }

    /// Name of the resource it leads to, if it leads to one.
    pub fn resource(&self) -> Option<String> {
        match self {
            Self::Secret(name, _) => Some(name.clone()),
            Self::Vault(path) => Some(fetched_name(path)),
            Self::Env(_) | Self::File(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name, None) => write!(out, "secret:{name}"),
            Self::Secret(name, Some(field)) => write!(out, "secret:{name}#{field}"),
            Self::Env(name) => write!(out, "env:{name}"),
            Self::File(path) => write!(out, "file:{path}"),
            Self::Vault(path) => write!(out, "vault:{path}"),
        }
    }
}

/// Whether it is `MOUNT/PATH#FIELD`, without anything that would lead elsewhere in a URL.
fn is_vault(text: &str) -> bool {
    let Some((path, field)) = text.split_once('#') else {
        return false;
    };
    let good = |segment: &str| !matches!(segment, "" | "." | "..");
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./".contains(it);
    !field.is_empty()
        && path.contains('/')
        && path.split('/').all(good)
        && path.chars().all(plain)
        && text.len() <= 512
}

/// Name of the secret that the control plane keeps what `MOUNT/PATH#FIELD` leads to in.
pub fn fetched_name(vault: &str) -> String {
    let hash = digest(&SHA256, vault.as_bytes());
    let hex = hash.as_ref()[..HASH_BYTES].iter();
    let hex: String = hex.map(|byte| format!("{byte:02x}")).collect();
    format!("{FETCHED}{hex}")
}

/// The text of a secret. It is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Arc<Zeroizing<String>>);

impl SecretText {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, to see whether it has changed.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.0.as_bytes()).as_ref());
        hash
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretText")
    }
}

/// Why there is no text where a reference leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is on the machine of a node, and this is none.
    Elsewhere,
    /// It is missing; why.
    Missing(String),
}

/// A secret that a field of a resource refers to, and that is not there. What needs it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingSecret {
    /// The resource.
    pub key: Key,
    /// Path of the field.
    pub field: String,
    /// Where it should be.
    pub place: Place,
    /// Why it is not.
    pub reason: String,
}

/// What the machine of a node has.
pub trait LocalSecrets: Send + Sync + fmt::Debug {
    /// A variable of the environment.
    ///
    /// # Errors
    /// There is none, or this is not a node.
    fn env(&self, name: &str) -> Result<SecretText, Lack>;

    /// A file.
    ///
    /// # Errors
    /// There is none, it is not within what is allowed, or this is not a node.
    fn file(&self, path: &str) -> Result<SecretText, Lack>;
}

/// For planes that are not nodes: nothing is known of their machines.
#[derive(Clone, Copy, Debug)]
pub struct NoNode;

impl LocalSecrets for NoNode {
    fn env(&self, _name: &str) -> Result<SecretText, Lack> {
        Err(Lack::Elsewhere)
    }

    fn file(&self, _path: &str) -> Result<SecretText, Lack> {
        Err(Lack::Elsewhere)
    }
}

/// Where secrets are looked for.
#[derive(Clone, Copy, Debug)]
pub struct SecretSources<'a> {
    /// The resources.
    pub set: &'a ResourceSet,
    /// The machine.
    pub local: &'a dyn LocalSecrets,
}

impl SecretSources<'_> {
    /// The text where a reference leads.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, place: &Place) -> Result<SecretText, Lack> {
        match place {
            Place::Env(name) => self.local.env(name),
            Place::File(path) => self.local.file(path),
            Place::Secret(name, field) => {
                let text = self.held(name)?;
                match field {
                    None => Ok(SecretText::new(text)),
                    Some(field) => member(text, field),
                }
            }
            Place::Vault(path) => self.held(&fetched_name(path)).map(SecretText::new),
        }
    }

    fn held(&self, name: &str) -> Result<&str, Lack> {
        let missing = |reason: &str| Lack::Missing(reason.to_owned());
        let held = self.set.held.get(&Key::new(Kind::Secret, name));
        let Some(Resource::Secret(secret)) = held.map(|held| &*held.resource) else {
            return Err(missing("there is no such secret here"));
        };
        match secret.value.as_str() {
            _ if !secret.enabled.unwrap_or(true) => Err(missing("the secret is disabled")),
            "" => Err(missing("the secret has not been fetched yet")),
            value => Ok(value),
        }
    }
}

/// A member of a JSON object.
fn member(text: &str, field: &str) -> Result<SecretText, Lack> {
    let missing = |reason: &str| Lack::Missing(reason.to_owned());
    // The reason of serde would show what is there.
    let json: serde_json::Value = serde_json::from_str(text)
        .map_err(|_| missing("the secret is not a JSON object, so it has no fields"))?;
    match json.get(field) {
        Some(serde_json::Value::String(text)) => Ok(SecretText::new(text.as_str())),
        Some(serde_json::Value::Number(number)) => Ok(SecretText::new(number.to_string())),
        Some(_) => Err(missing("the field of the secret is not a text")),
        None => Err(missing("the secret has no field of this name")),
    }
}

#[cfg(test)]
mod tests {
    use gatewright_proto::{Key, Kind};
    use serde_json::json;

    use super::{Lack, NoNode, Place, SecretSources, fetched_name};
    use crate::{Held, ResourceSet};

    #[test]
    fn references_are_read_and_written_the_same() {
        for text in [
            "secret:a",
            "secret:a#b.c",
            "env:ORDERS_KEY",
            "file:orders/key",
            "vault:kv/orders/prod#key",
        ] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "plain",
            "secret:",
            "secret:a b",
            "secret:a#",
            "env:",
            "env:A=B",
            "file:",
            "vault:kv",
            "vault:kv#a",
            "vault:kv/../sys#a",
            "vault:kv/a#",
            "vault:kv/a?b#c",
            "vault:kv//a#b",
            "http://a/b",
        ] {
            let error = Place::parse(text).unwrap_err();
            assert!(
                text.is_empty() || text.ends_with(':') || !error.contains(text),
                "{error}"
            );
        }
    }

    #[test]
    fn the_text_is_where_the_reference_leads() {
        let mut set = ResourceSet::default();
        let mut hold = |name: &str, value: &str, enabled: bool| {
            let json = json!({"name": name, "value": value, "enabled": enabled});
            let resource = Kind::Secret.from_json(json).unwrap();
            set.held
                .insert(Key::new(Kind::Secret, name), Held::new(resource));
        };
        hold("a", r#"{"user": "u", "port": 5}"#, true);
        hold("off", "x", false);
        hold(&fetched_name("kv/a#b"), "fetched", true);
        let sources = SecretSources {
            set: &set,
            local: &NoNode,
        };
        let find = |text: &str| sources.find(&Place::parse(text).unwrap());
        assert_eq!(find("secret:a#user").unwrap().expose(), "u");
        assert_eq!(find("secret:a#port").unwrap().expose(), "5");
        assert_eq!(find("vault:kv/a#b").unwrap().expose(), "fetched");
        assert_eq!(find("env:A"), Err(Lack::Elsewhere));
        for missing in ["secret:b", "secret:a#none", "secret:off", "vault:kv/a#c"] {
            assert!(matches!(find(missing), Err(Lack::Missing(_))), "{missing}");
        }
    }
}

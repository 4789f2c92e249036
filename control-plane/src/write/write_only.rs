//! Fields that are written and never read back: a credential's key, which is stored as a digest, a
//! certificate's private key, and a secret's value.

use std::fmt::Write as _;

use aws_lc_rs::{digest, rand};
use gatewright_engine::{key_set::Remote, secret::Place};
use gatewright_proto::{Key, Kind, Resource, v1};
use serde_json::{Map, Value};

use super::{Mistake, password};

/// Longest shown beginning of a key, in bytes.
const MAX_PREFIX_BYTES: usize = 10;

/// What `private_key` begins with where it is not a key but the name of a secret.
const SECRET_REFERENCE: &str = "secret:";

/// Takes what was left out of a replacement, or is the same, from the stored resource.
pub fn keep_stored(resource: &mut Resource, stored: Option<&Resource>) {
    if let Resource::Secret(new) = resource {
        // Nobody else makes it, or it would be known.
        new.salt.clear();
    }
    if let (Resource::Credential(new), Some(Resource::Credential(stored))) =
        (&mut *resource, stored)
    {
        password::keep(new, stored);
    }
    match (resource, stored) {
        (Resource::Credential(new), Some(Resource::Credential(stored)))
            if new.key.is_empty() && new.digest.is_empty() =>
        {
            new.digest.clone_from(&stored.digest);
            new.prefix.clone_from(&stored.prefix);
        }
        (Resource::Certificate(new), Some(Resource::Certificate(stored)))
            if new.private_key.is_empty() =>
        {
            new.private_key.clone_from(&stored.private_key);
        }
        (Resource::Secret(new), Some(Resource::Secret(stored)))
            if new.source == stored.source
                && (new.value.is_empty() || new.value == stored.value) =>
        {
            new.value.clone_from(&stored.value);
            new.salt.clone_from(&stored.salt);
        }
        (new, stored) => keep_fetched(new, stored),
    }
}

/// Keys that were fetched are the control plane's to write: what a client says of them counts for nothing.
pub fn keep_fetched(resource: &mut Resource, stored: Option<&Resource>) {
    if let Resource::KeySet(new) = resource {
        let stored = match stored {
            Some(Resource::KeySet(stored)) => stored.fetched.clone(),
            _ => None,
        };
        let source = Remote::of(new).map(|it| it.as_str().to_owned());
        new.fetched = stored.filter(|it| Some(&it.source) == source.as_ref());
    }
}

/// Makes room in a stored credential for a patch that brings another key or digest.
pub fn prepare_patch(kind: Kind, stored: &mut Value, patch: &Value) {
    let (Kind::Credential, Some(stored)) = (kind, stored.as_object_mut()) else {
        return;
    };
    password::make_room(stored, patch);
    let brings = |field: &str| patch.get(field).is_some_and(|value| !value.is_null());
    if brings("key") {
        stored.remove("digest");
    }
    if brings("key") || brings("digest") {
        stored.remove("prefix");
    }
}

/// Replaces a credential's key by its digest, and salts a secret that is new.
///
/// # Errors
/// A key of a wrong form, or one that comes with a digest or another prefix.
pub fn seal(resource: &mut Resource) -> Result<(), Mistake> {
    let key = Key::of(resource);
    if let Resource::Secret(secret) = resource {
        if secret.salt.is_empty() && !secret.value.is_empty() {
            secret.salt = salt().map_err(|reason| Mistake::invalid(key, "value", reason))?;
        }
        return Ok(());
    }
    let Resource::Credential(credential) = resource else {
        return Ok(());
    };
    // Told by nodes, never written.
    credential.last_used_at_ms = None;
    password::seal(credential)
        .map_err(|(field, reason)| Mistake::invalid(key.clone(), field, reason))?;
    if credential.key.is_empty() {
        return Ok(());
    }
    let visible = |byte: u8| (b'!'..=b'~').contains(&byte);
    if !(8..=512).contains(&credential.key.len()) || !credential.key.bytes().all(visible) {
        let reason = "must be 8 to 512 visible ASCII characters";
        return Err(Mistake::invalid(key, "key", reason));
    }
    if !credential.digest.is_empty() {
        let reason = "give either `key` or `digest`: the digest is computed from the key";
        return Err(Mistake::invalid(key, "digest", reason));
    }
    let prefix = prefix(&credential.key);
    if !credential.prefix.is_empty() && credential.prefix != prefix {
        let reason = "leave it out: it is computed from the key";
        return Err(Mistake::invalid(key, "prefix", reason));
    }
    prefix.clone_into(&mut credential.prefix);
    credential.digest = digest(&credential.key);
    credential.key.clear();
    Ok(())
}

/// What makes the version of a secret say nothing of its value, however few values there may be.
fn salt() -> Result<String, &'static str> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| "the random generator of the system failed")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn prefix(key: &str) -> &str {
    &key[..MAX_PREFIX_BYTES.min(key.len() / 4)]
}

/// SHA-256, as `sha256:` and 64 hexadecimal digits.
fn digest(key: &str) -> String {
    let mut text = String::from("sha256:");
    for byte in digest::digest(&digest::SHA256, key.as_bytes()).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The resource's JSON without what is write only: the only form in which one leaves the API.
pub fn redact(resource: &Resource) -> Value {
    let mut json = resource.to_json().unwrap_or_else(|error| {
        // Only a database written to by other means can hold it.
        tracing::error!(resource = %Key::of(resource), %error, "a stored resource is not JSON");
        Value::Object(Map::new())
    });
    if let Some(fields) = json.as_object_mut() {
        match resource {
            Resource::Credential(_) => {
                fields.remove("key");
                password::redact(fields);
            }
            Resource::Secret(_) => {
                fields.remove("value");
                fields.remove("salt");
            }
            Resource::KeySet(_) => _ = fields.remove("fetched"),
            Resource::Certificate(certificate) if !refers_to_secret(certificate) => {
                fields.remove("private_key");
            }
            _ => {}
        }
    }
    json
}

fn refers_to_secret(certificate: &v1::Certificate) -> bool {
    let text = &certificate.private_key;
    text.starts_with(SECRET_REFERENCE) || Place::parse(text).is_ok()
}

/// Which fields differ between two versions of a resource without [`redact`] showing it.
pub fn hidden_changes(before: &Resource, after: &Resource) -> Vec<&'static str> {
    match (before, after) {
        (Resource::Secret(before), Resource::Secret(after)) if before.value != after.value => {
            vec!["value"]
        }
        (Resource::KeySet(before), Resource::KeySet(after)) if before.fetched != after.fetched => {
            vec!["fetched"]
        }
        (Resource::Certificate(before), Resource::Certificate(after))
            if before.private_key != after.private_key
                && !(refers_to_secret(before) && refers_to_secret(after)) =>
        {
            vec!["private_key"]
        }
        (Resource::Credential(before), Resource::Credential(after))
            if password::differs(before, after) =>
        {
            vec!["password"]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;

//! Which fields are encrypted, and how a document has them then: in place of the field `value` it has the field
//! `value.sealed`, a name that no field of a resource can have.

use gatewright_engine::secret::Place;
use gatewright_proto::{Key, Kind, Resource};
use serde_json::{Map, Value};

use super::{
    Keyring,
    keyring::{SealError, Sealed},
};

/// The fields that are encrypted. What must never be read back, and need not be known to a node, is better stored as
/// a digest.
const HIDDEN: &[(Kind, &[&str])] = &[
    (Kind::Secret, &["value", "salt"]),
    (Kind::Certificate, &["private_key"]),
];

/// What the name of an encrypted field ends with.
const SEALED: &str = ".sealed";

/// What a certificate's `private_key` begins with where it is not a key but the name of a secret.
const REFERENCE: &str = "secret:";

/// The kinds that have such fields.
pub fn hides() -> impl Iterator<Item = Kind> {
    HIDDEN.iter().map(|(kind, _)| *kind)
}

fn fields_of(kind: Kind) -> &'static [&'static str] {
    let row = HIDDEN.iter().find(|(it, _)| *it == kind);
    row.map_or(&[], |(_, fields)| fields)
}

/// The first field of a resource that is to be encrypted and is not empty.
pub fn hidden(resource: &Resource) -> Option<&'static str> {
    let fields = fields_of(resource.kind());
    if fields.is_empty() {
        return None;
    }
    let json = resource.to_json().ok()?;
    let has = |field: &&&str| text(resource.kind(), json.get(**field)).is_some();
    fields.iter().find(has).copied()
}

/// The text of a field, where it is to be encrypted.
fn text(kind: Kind, value: Option<&Value>) -> Option<&str> {
    let text = value?.as_str()?;
    let refers = |text: &str| text.starts_with(REFERENCE) || Place::parse(text).is_ok();
    let reference = kind == Kind::Certificate && refers(text);
    (!text.is_empty() && !reference).then_some(text)
}

/// Encrypts the fields of a document that are to be. Says whether there were any.
///
/// # Errors
/// There is no master key.
pub fn seal(key: &Key, document: &mut Value, keyring: &Keyring) -> Result<bool, SealError> {
    let Some(document) = document.as_object_mut() else {
        return Ok(false);
    };
    let mut any = false;
    for field in fields_of(key.kind) {
        if let Some(text) = text(key.kind, document.get(*field)) {
            let sealed = keyring.seal(&belongs_to(key, field), text)?;
            let sealed = serde_json::to_value(sealed).map_err(|_| SealError::Failed)?;
            document.remove(*field);
            document.insert(format!("{field}{SEALED}"), sealed);
            any = true;
        }
    }
    Ok(any)
}

/// Decrypts the fields of a document that are encrypted.
///
/// # Errors
/// The master key is not there, or what is encrypted was changed.
pub fn open(
    key: &Key,
    document: &mut Map<String, Value>,
    keyring: &Keyring,
) -> Result<(), SealError> {
    for field in fields_of(key.kind) {
        if let Some(sealed) = document.remove(&format!("{field}{SEALED}")) {
            let sealed: Sealed =
                serde_json::from_value(sealed).map_err(|_| SealError::Malformed)?;
            let text = keyring.open(&belongs_to(key, field), &sealed)?;
            document.insert((*field).to_owned(), Value::String(text.to_string()));
        }
    }
    Ok(())
}

/// What is authenticated with a field: kind, name and field.
fn belongs_to(key: &Key, field: &str) -> String {
    format!("{key} {field}")
}

#[cfg(test)]
mod tests {
    use gatewright_proto::{Key, Kind};
    use serde_json::json;

    use super::{open, seal};
    use crate::secrets::{Keyring, generate};

    #[test]
    fn a_document_is_the_same_after_it_was_encrypted_and_decrypted() {
        let keyring = Keyring::parse(&generate().unwrap()).unwrap();
        let key = Key::new(Kind::Secret, "a");
        let plain = json!({"name": "a", "value": "very-hidden", "labels": {"x": "y"}});
        let mut document = plain.clone();
        assert!(seal(&key, &mut document, &keyring).unwrap());
        assert!(!document.to_string().contains("very-hidden"));
        open(&key, document.as_object_mut().unwrap(), &keyring).unwrap();
        assert_eq!(document, plain);
        let reference = json!({"name": "a", "private_key": "secret:a"});
        let mut certificate = reference.clone();
        let key = Key::new(Kind::Certificate, "a");
        assert!(!seal(&key, &mut certificate, &Keyring::default()).unwrap());
        assert_eq!(certificate, reference);
    }
}

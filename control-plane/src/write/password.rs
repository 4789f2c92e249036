//! Passwords of credentials: kept as hashes, which leave the API no more than passwords do.

use gatewright_engine::password::{MAX_BYTES, PasswordHash};
use gatewright_proto::v1;
use serde_json::{Map, Value};

/// Takes the stored hash where a replacement says nothing of the password, or says the same.
pub(super) fn keep(new: &mut v1::Credential, stored: &v1::Credential) {
    if stored.password_hash.is_empty() || !new.password_hash.is_empty() {
        return;
    }
    // Without this, applying a file again would hash with another salt: a change that changes nothing.
    let same = || {
        let hash = PasswordHash::read(&stored.password_hash);
        hash.is_ok_and(|hash| hash.verify(new.password.as_bytes()))
    };
    if new.r#type == stored.r#type && (new.password.is_empty() || same()) {
        new.password_hash.clone_from(&stored.password_hash);
        new.password.clear();
    }
}

/// Makes room in a stored credential for a patch that brings another password.
pub(super) fn make_room(stored: &mut Map<String, Value>, patch: &Value) {
    if patch.get("password").is_some_and(|value| !value.is_null()) {
        stored.remove("password_hash");
    }
}

/// Replaces a password by its hash.
///
/// # Errors
/// Field and reason: one that is too long, or that comes with a hash.
pub(super) fn seal(credential: &mut v1::Credential) -> Result<(), (&'static str, String)> {
    if credential.password.is_empty() {
        return Ok(());
    }
    if credential.password.len() > MAX_BYTES {
        return Err(("password", format!("must be 1 to {MAX_BYTES} bytes")));
    }
    if !credential.password_hash.is_empty() {
        let reason = "give either `password` or `password_hash`".to_owned();
        return Err(("password_hash", reason));
    }
    let hash = PasswordHash::of(credential.password.as_bytes());
    hash.as_str().clone_into(&mut credential.password_hash);
    credential.password.clear();
    Ok(())
}

/// Takes what is write only out of a credential's JSON.
pub(super) fn redact(fields: &mut Map<String, Value>) {
    fields.remove("password");
    fields.remove("password_hash");
}

/// Whether two versions of a credential differ in the password.
pub(super) fn differs(before: &v1::Credential, after: &v1::Credential) -> bool {
    before.password_hash != after.password_hash
}

#[cfg(test)]
mod tests {
    use gatewright_proto::v1::{Credential, CredentialType};
    use serde_json::json;

    use super::{differs, keep, make_room, redact, seal};

    fn credential(password: &str) -> Credential {
        Credential {
            name: "alice-web".to_owned(),
            consumer: "alice".to_owned(),
            r#type: CredentialType::Basic.into(),
            username: "alice".to_owned(),
            password: password.to_owned(),
            ..Credential::default()
        }
    }

    #[test]
    fn a_password_is_stored_as_its_hash_only() {
        let mut sealed = credential("correct horse");
        seal(&mut sealed).unwrap();
        assert!(sealed.password.is_empty());
        assert!(sealed.password_hash.starts_with("$argon2id$"));
        let mut json = serde_json::to_value(&sealed).unwrap();
        redact(json.as_object_mut().unwrap());
        assert!(json.get("password_hash").is_none());
        let mut both = credential("correct horse");
        both.password_hash = sealed.password_hash;
        assert_eq!(seal(&mut both).unwrap_err().0, "password_hash");
        assert_eq!(
            seal(&mut credential(&"x".repeat(257))).unwrap_err().0,
            "password"
        );
    }

    #[test]
    fn what_is_left_out_or_the_same_keeps_the_stored_hash() {
        let mut stored = credential("correct horse");
        seal(&mut stored).unwrap();
        for password in ["", "correct horse"] {
            let mut new = credential(password);
            keep(&mut new, &stored);
            seal(&mut new).unwrap();
            assert!(!differs(&new, &stored));
        }
        let mut changed = credential("battery staple");
        keep(&mut changed, &stored);
        seal(&mut changed).unwrap();
        assert!(differs(&changed, &stored));
        let mut json = json!({"password_hash": "$2b$..."});
        let fields = json.as_object_mut().unwrap();
        make_room(fields, &json!({"enabled": false}));
        assert_eq!(fields.len(), 1);
        make_room(fields, &json!({"password": "battery staple"}));
        assert_eq!(fields.len(), 0);
    }
}

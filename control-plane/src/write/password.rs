//! Passwords of credentials: kept as hashes, which leave the API no more than passwords do.

use std::{num::NonZero, thread};

use gatewright_engine::password::{MAX_BYTES, PasswordHash};
use gatewright_proto::{Resource, v1};
use serde_json::{Map, Value};

use super::Operation;

/// Takes the stored hash where a replacement says nothing of the password, or says the same.
pub(super) fn keep(new: &mut v1::Credential, stored: &v1::Credential) {
    if stored.password_hash.is_empty() || !new.password_hash.is_empty() {
        return;
    }
    if new.r#type == stored.r#type && (new.password.is_empty() || same(new, stored)) {
        new.password_hash.clone_from(&stored.password_hash);
        new.password.clear();
    }
}

/// Whether it is the password of which the hash is stored. Without this, applying a file again would hash with
/// another salt: a change that changes nothing.
fn same(new: &v1::Credential, stored: &v1::Credential) -> bool {
    let hash = PasswordHash::read(&stored.password_hash);
    hash.is_ok_and(|hash| hash.verify(new.password.as_bytes()))
}

/// Whether an operation brings a password that can be hashed ahead of the check.
pub(super) fn brings(operation: &Operation) -> bool {
    matches!(operation, Operation::Create(Resource::Credential(new)) | Operation::Put(Resource::Credential(new), _)
        if hashable(new))
}

fn hashable(new: &v1::Credential) -> bool {
    (1..=MAX_BYTES).contains(&new.password.len()) && new.password_hash.is_empty()
}

/// Replaces the passwords of operations by their hashes, on all cores, before anybody is kept waiting by a lock.
/// What is stored may change meanwhile; a hash stays that of its password.
pub(super) fn hash_ahead<'a>(
    operations: &mut [Operation],
    stored: impl Fn(&str) -> Option<&'a v1::Credential> + Sync,
) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut new: Vec<&mut v1::Credential> = operations
        .iter_mut()
        .filter_map(|operation| match operation {
            Operation::Create(Resource::Credential(new))
            | Operation::Put(Resource::Credential(new), _) => Some(new),
            _ => None,
        })
        .filter(|new| hashable(new))
        .collect();
    let share = new.len().div_ceil(cores).max(1);
    let hash = |new: &mut v1::Credential| {
        new.password_hash = match stored(&new.name) {
            Some(stored) if same(new, stored) => stored.password_hash.clone(),
            _ => PasswordHash::of(new.password.as_bytes())
                .as_str()
                .to_owned(),
        };
        new.password.clear();
    };
    thread::scope(|threads| {
        for share in new.chunks_mut(share) {
            threads.spawn(|| share.iter_mut().for_each(|new| hash(new)));
        }
    });
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
    use gatewright_proto::{
        Resource,
        v1::{Credential, CredentialType},
    };
    use serde_json::json;

    use super::{Operation, brings, differs, hash_ahead, keep, make_room, redact, seal};

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

    #[test]
    fn many_passwords_are_hashed_ahead_and_known_ones_keep_their_hash() {
        let mut stored = credential("correct horse");
        seal(&mut stored).unwrap();
        let mut other = credential("correct horse");
        other.name = "bob-web".to_owned();
        let mut long = credential(&"x".repeat(257));
        long.name = "carol-web".to_owned();
        let all = [credential("correct horse"), other, long];
        let mut operations = all.map(|it| Operation::Create(Resource::Credential(it)));
        assert_eq!(operations.each_ref().map(brings), [true, true, false]);
        hash_ahead(&mut operations, |name| {
            (name == "alice-web").then_some(&stored)
        });
        assert_eq!(operations.each_ref().map(brings), [false; 3]);
        let [
            Operation::Create(Resource::Credential(alice)),
            Operation::Create(Resource::Credential(bob)),
            _,
        ] = &operations
        else {
            unreachable!("they are what they were")
        };
        assert_eq!(alice.password_hash, stored.password_hash);
        assert_ne!(bob.password_hash, stored.password_hash);
        assert!(bob.password.is_empty() && bob.password_hash.starts_with("$argon2id$"));
    }
}

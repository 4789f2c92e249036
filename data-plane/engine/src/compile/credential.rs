//! Credentials: found by what is shown of them, which only one may have.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, CredentialType},
};

use super::{Compiler, Mistake};
use crate::{Consumers, Credential, Login, password::PasswordHash};

/// What stands before the digits of a digest.
const SHA256: &str = "sha256:";
/// Longest part of a key that may be read back.
const MAX_PREFIX_BYTES: usize = 10;
const MAX_USERNAME_BYTES: usize = 128;
const MAX_SCOPES: usize = 64;
const MAX_SCOPE_BYTES: usize = 128;

/// What a credential is found by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Mark {
    Key([u8; 32]),
    Username(Box<str>),
}

/// What a credential is found and verified by.
enum Proof {
    Key([u8; 32]),
    Password(Box<str>, Arc<PasswordHash>),
}

impl Compiler<'_> {
    /// Files those of enabled consumers.
    pub(super) fn credentials(&mut self, consumers: &mut Consumers) {
        let mut first: HashMap<Mark, &Key> = HashMap::new();
        for (key, held) in self.held(Kind::Credential) {
            let Resource::Credential(credential) = &*held.resource else {
                continue;
            };
            let mut mistakes = Vec::new();
            let proof = read(credential, &mut mistakes);
            if let Some(proof) = &proof
                && let Some(other) = first.insert(proof.mark(), key)
            {
                // Nobody can tell whose it is: neither is accepted. Both are at fault, so that a node
                // refuses the newer one and goes on with the one it had.
                mistakes.push(proof.duplicate(other));
                self.add(other, proof.duplicate(key));
                proof.take_out(consumers);
            }
            self.add_all(key, mistakes);
            let consumer = consumers.by_name.get(credential.consumer.as_str());
            if let (Some(proof), Some(consumer), true, false) =
                (proof, consumer, held.resource.enabled(), self.is_bad(key))
            {
                let shared = |scope: &String| Arc::from(scope.as_str());
                let end = credential.expires_at_ms;
                let known = self.previous.and_then(|it| proof.find(&it.consumers));
                let known = known.filter(|it| *it.name == *key.name);
                let credential = Arc::new(Credential {
                    last_use: known.map(|it| Arc::clone(&it.last_use)).unwrap_or_default(),
                    name: key.name.as_str().into(),
                    consumer: Arc::clone(consumer),
                    scopes: credential.scopes.iter().map(shared).collect(),
                    expires_at: end.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)),
                });
                proof.put_in(consumers, credential);
            }
        }
        let logins = consumers.by_username.values();
        let mut logins: Vec<&Login> = logins.collect();
        logins.sort_by(|one, other| one.credential.name.cmp(&other.credential.name));
        consumers.passwords = logins.iter().map(|it| Arc::clone(&it.hash)).collect();
    }
}

impl Proof {
    fn mark(&self) -> Mark {
        match self {
            Self::Key(digest) => Mark::Key(*digest),
            Self::Password(username, _) => Mark::Username(username.clone()),
        }
    }

    fn duplicate(&self, other: &Key) -> Mistake {
        let field = match self {
            Self::Key(_) => "key",
            Self::Password(..) => "username",
        };
        let reason = format!("credential `{}` has the same {field}", other.name);
        Mistake::new(field, "duplicate", reason)
    }

    fn find<'c>(&self, consumers: &'c Consumers) -> Option<&'c Arc<Credential>> {
        match self {
            Self::Key(digest) => consumers.by_key.get(digest),
            Self::Password(username, _) => {
                let login = consumers.by_username.get(username);
                login.map(|it| &it.credential)
            }
        }
    }

    fn take_out(&self, consumers: &mut Consumers) {
        match self {
            Self::Key(digest) => _ = consumers.by_key.remove(digest),
            Self::Password(username, _) => _ = consumers.by_username.remove(username),
        }
    }

    fn put_in(self, consumers: &mut Consumers, credential: Arc<Credential>) {
        match self {
            Self::Key(digest) => _ = consumers.by_key.insert(digest, credential),
            Self::Password(username, hash) => {
                let login = Login { credential, hash };
                consumers.by_username.insert(username, login);
            }
        }
    }
}

fn read(credential: &v1::Credential, mistakes: &mut Vec<Mistake>) -> Option<Proof> {
    if credential.consumer.is_empty() {
        mistakes.push(Mistake::required("consumer"));
    }
    scopes(credential, mistakes);
    let Ok(kind) = CredentialType::try_from(credential.r#type) else {
        let reason = format!("`{}` is not a type known here", credential.r#type);
        mistakes.push(Mistake::value("type", reason));
        return None;
    };
    belongs(credential, kind, mistakes);
    match kind {
        CredentialType::Key => digest(credential, mistakes).map(Proof::Key),
        CredentialType::Basic => password(credential, mistakes),
    }
}

/// That no field is of another type.
fn belongs(credential: &v1::Credential, kind: CredentialType, mistakes: &mut Vec<Mistake>) {
    use CredentialType::{Basic, Key};
    let fields = [
        ("key", Key, !credential.key.is_empty()),
        ("digest", Key, !credential.digest.is_empty()),
        ("prefix", Key, !credential.prefix.is_empty()),
        ("username", Basic, !credential.username.is_empty()),
        ("password", Basic, !credential.password.is_empty()),
        ("password_hash", Basic, !credential.password_hash.is_empty()),
    ];
    for (field, of, given) in fields {
        if given && of != kind {
            let reason = format!("is of the type `{}`", name(of));
            mistakes.push(Mistake::value(field, reason));
        }
    }
}

const fn name(kind: CredentialType) -> &'static str {
    match kind {
        CredentialType::Key => "key",
        CredentialType::Basic => "basic",
    }
}

fn scopes(credential: &v1::Credential, mistakes: &mut Vec<Mistake>) {
    if credential.scopes.len() > MAX_SCOPES {
        let reason = format!("has more than {MAX_SCOPES}");
        mistakes.push(Mistake::value("scopes", reason));
    }
    let visible = |byte: u8| (b'!'..=b'~').contains(&byte);
    for (place, scope) in credential.scopes.iter().enumerate() {
        if !(1..=MAX_SCOPE_BYTES).contains(&scope.len()) || !scope.bytes().all(visible) {
            let reason = format!("must be 1 to {MAX_SCOPE_BYTES} visible ASCII characters");
            mistakes.push(Mistake::value(format!("scopes[{place}]"), reason));
        }
    }
}

fn digest(credential: &v1::Credential, mistakes: &mut Vec<Mistake>) -> Option<[u8; 32]> {
    if !credential.key.is_empty() {
        mistakes.push(Mistake::value("key", "is stored as a digest only"));
    }
    if credential.prefix.len() > MAX_PREFIX_BYTES {
        let reason = format!("at most {MAX_PREFIX_BYTES} characters of a key are kept");
        mistakes.push(Mistake::value("prefix", reason));
    }
    if credential.digest.is_empty() {
        mistakes.push(Mistake::required("key"));
        return None;
    }
    let digest = credential.digest.strip_prefix(SHA256).and_then(hexadecimal);
    if digest.is_none() {
        let reason = format!("must be `{SHA256}` and 64 hexadecimal digits");
        mistakes.push(Mistake::value("digest", reason));
    }
    digest
}

fn password(credential: &v1::Credential, mistakes: &mut Vec<Mistake>) -> Option<Proof> {
    let before = mistakes.len();
    let username = credential.username.as_str();
    if !credential.password.is_empty() {
        mistakes.push(Mistake::value("password", "is stored as a hash only"));
    }
    if username.is_empty() {
        mistakes.push(Mistake::required("username"));
    } else if username.len() > MAX_USERNAME_BYTES
        || username.contains(|it: char| it == ':' || it.is_control())
    {
        let reason = format!("must be 1 to {MAX_USERNAME_BYTES} bytes without colons and controls");
        mistakes.push(Mistake::value("username", reason));
    }
    if credential.password_hash.is_empty() {
        mistakes.push(Mistake::required("password"));
        return None;
    }
    match PasswordHash::read(&credential.password_hash) {
        Ok(hash) if mistakes.len() == before => {
            Some(Proof::Password(username.into(), Arc::new(hash)))
        }
        Ok(_) => None,
        Err(reason) => {
            mistakes.push(Mistake::value("password_hash", reason));
            None
        }
    }
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, place) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
    }
    Some(bytes)
}

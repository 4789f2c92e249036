//! `basic-auth`: finds out who the consumer is by a user name and a password (RFC 7617).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::Deserialize;

use self::remembered::Remembered;
use super::{
    Build, InvalidSetting,
    clients::Heavy,
    identity::{ConfigureMethod, Method, Refusal, Verdict},
};
use crate::{Code, Credential, Identity, RequestContext, password};

mod remembered;
#[cfg(test)]
mod tests;

/// Longest user name and password, in Base64.
const MAX_ENCODED_BYTES: usize = 1024;
/// Longest time that a verified password is remembered, in seconds.
const MAX_REMEMBER_SECONDS: u32 = 3600;

/// See [`ConfigureMethod::DOCS`].
#[derive(Debug)]
pub(super) struct BasicAuth {
    remembered: Arc<Remembered>,
    max_age: Duration,
    heavy: Option<Arc<dyn Heavy>>,
}

/// Settings of `basic-auth`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// How long a password that was compared with its hash needs no further comparison, in seconds. 0 to
    /// 3,600; 0 compares for every request. A changed or revoked credential counts at once all the same.
    remember_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            remember_seconds: 300,
        }
    }
}

impl ConfigureMethod for BasicAuth {
    const NAME: &'static str = "basic-auth";
    const SUMMARY: &'static str = "Finds out who the consumer is by a user name and a password.";
    const DOCS: &'static str = "\
Looks for `Authorization: Basic ...` (RFC 7617, UTF-8) and for the credential (type `basic`) with that
`username`. Passwords are stored as hashes only: argon2id of what is given as `password`, or an existing
hash given as `password_hash` (argon2id in the PHC string format with at most 128 MiB, 10 passes and 16
lanes, or bcrypt with a cost of at most 14).

Comparing takes tens of milliseconds of CPU on purpose. It happens on a few threads of low priority beside
the workers, and its outcome is remembered for `remember_seconds` under a digest whose key no other process
has; that of a wrong password too. A user that does not exist costs as much as one that does. Use TLS:
the password is in every request.

Refused with 401, code `unauthorized`: no credential (unless `anonymous` or `optional` is given), one that
is malformed, an unknown user and a wrong password, which look alike. Refused with 503, code
`authentication_busy`, and `Retry-After`: too many comparisons wait already, as in a flood of wrong
passwords. Passwords that are remembered go on to pass then.";
    const EXAMPLE: &'static str = "realm: shop\nremember_seconds: 300";
    const HIDES: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        if settings.remember_seconds > MAX_REMEMBER_SECONDS {
            let reason = format!("must be 0 to {MAX_REMEMBER_SECONDS}");
            return Err(vec![InvalidSetting::new("remember_seconds", reason)]);
        }
        let states = build.states;
        Ok(Self {
            remembered: states.keep(Self::NAME, build.name, Remembered::default),
            max_age: Duration::from_secs(settings.remember_seconds.into()),
            heavy: build.clients.heavy.clone(),
        })
    }
}

/// A user name and a password.
struct Login {
    username: String,
    password: Vec<u8>,
}

/// What `Authorization` has.
enum Found {
    None,
    One(Login),
    Malformed,
}

impl Found {
    fn of(request: &RequestContext) -> Self {
        let fields = request.headers.get_all(AUTHORIZATION);
        let encoded = |field: &http::HeaderValue| -> Option<Vec<u8>> {
            let (scheme, rest) = field.as_bytes().split_at_checked(5)?;
            let is_basic = scheme.eq_ignore_ascii_case(b"basic")
                && rest.first().is_none_or(|byte| *byte == b' ');
            is_basic.then(|| rest.trim_ascii().to_vec())
        };
        let mut found = fields.iter().filter_map(encoded);
        let Some(encoded) = found.next() else {
            return Self::None;
        };
        if fields.iter().nth(1).is_some() || encoded.len() > MAX_ENCODED_BYTES {
            return Self::Malformed;
        }
        let decoded = STANDARD.decode(&encoded).unwrap_or_default();
        let colon = decoded.iter().position(|byte| *byte == b':');
        let Some(colon) = colon else {
            return Self::Malformed;
        };
        let password = decoded[colon + 1..].to_vec();
        match std::str::from_utf8(&decoded[..colon]) {
            Ok(username) if password.len() <= password::MAX_BYTES => Self::One(Login {
                username: username.to_owned(),
                password,
            }),
            _ => Self::Malformed,
        }
    }
}

impl Method for BasicAuth {
    fn verify(&self, request: &RequestContext) -> Verdict {
        match Found::of(request) {
            Found::None => Verdict::Absent,
            Found::Malformed => Verdict::refused("the user name and password cannot be read"),
            Found::One(login) => self.compare(request, login),
        }
    }

    fn hide(&self, request: &mut RequestContext) {
        if !matches!(Found::of(request), Found::None) {
            request.headers.remove(AUTHORIZATION);
        }
    }

    fn challenge(&self, realm: &str, _refusal: Option<&Refusal>) -> String {
        format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")
    }
}

impl BasicAuth {
    fn compare(&self, request: &RequestContext, login: Login) -> Verdict {
        let consumers = &request.snapshot.consumers;
        let known = consumers.by_username.get(login.username.as_str());
        let credential = known.map(|it| Arc::clone(&it.credential));
        let credential = credential.filter(|it| it.is_in_force());
        let Some(hash) =
            known.map_or_else(|| consumers.decoy(&login.username), |it| Some(&it.hash))
        else {
            return verdict(None, false);
        };
        let entry = self
            .remembered
            .entry(&login.username, hash.as_str(), &login.password);
        if let Some(outcome) = self.remembered.outcome(&entry, self.max_age) {
            return verdict(credential.as_ref(), outcome);
        }
        let (hash, heavy) = (Arc::clone(hash), self.heavy.clone());
        let (remembered, max_age) = (Arc::clone(&self.remembered), self.max_age);
        Verdict::wait(async move {
            let job = move || hash.verify(&login.password);
            let pending = heavy.and_then(|heavy| heavy.run(Box::new(job)));
            let outcome = match pending {
                Some(pending) => pending.await,
                None => None,
            };
            let Some(outcome) = outcome else {
                let detail = "too many passwords are being verified; try again";
                return Verdict::Refused(Refusal::because(Code::AuthenticationBusy, detail));
            };
            if !max_age.is_zero() {
                remembered.remember(entry, outcome);
            }
            verdict(credential.as_ref(), outcome)
        })
    }
}

/// An unknown user, an expired credential and a wrong password look alike.
fn verdict(credential: Option<&Arc<Credential>>, outcome: bool) -> Verdict {
    match credential {
        Some(credential) if outcome => {
            Verdict::Proven(Identity::of_credential(BasicAuth::NAME, credential))
        }
        _ => Verdict::refused("the user name or the password is wrong"),
    }
}

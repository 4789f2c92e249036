//! Whose tokens are accepted, and what was found of them.

use std::sync::Arc;

use super::settings::{ProviderSettings, Settings};
use crate::{
    Snapshot,
    jwt::{Algorithm, Policy, Refusal, Remembered, TokenDigest, Verified, verify},
    key_set::KeySet,
    plugin::{
        InvalidSetting,
        identity::{
            binding::Confirmation,
            meaning::{self, Meaning},
            required_claims::{check_scopes, requirements},
        },
    },
};

const MAX_PROVIDERS: usize = 16;
const MAX_REMEMBERED: usize = 1_000_000;
const MAX_SKEW_SECONDS: u64 = 600;

/// Whose tokens are accepted.
#[derive(Debug)]
pub(super) struct Provider {
    key_set: Box<str>,
    policy: Policy,
    meaning: Meaning,
    remembered: Remembered<KeySet, Found>,
}

/// What was found of a token.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) shared: meaning::Found,
    pub(super) bound: Confirmation,
    /// From when it is valid, in seconds since 1970.
    from: u64,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// There are no keys to check it with.
    NoKeys,
    Token(Refusal),
}

impl Refused {
    /// Its name: stable, snake_case.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::Token(refusal) => refusal.as_str(),
        }
    }

    /// How close the token came to being accepted.
    pub(super) const fn nearness(self) -> u8 {
        match self {
            Self::Token(Refusal::Scope) => 4,
            // Whether it is good, nobody can tell.
            Self::NoKeys => 3,
            Self::Token(Refusal::Expired) => 2,
            Self::Token(Refusal::UnknownKey | Refusal::Issuer) => 0,
            Self::Token(_) => 1,
        }
    }
}

impl Provider {
    /// What it asks for.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.policy.scopes.iter().map(|it| &**it)
    }

    /// Checks a token, or remembers what was found of it.
    pub(super) fn check(
        &self,
        token: &str,
        digest: TokenDigest,
        snapshot: &Snapshot,
        now: u64,
    ) -> Result<Arc<Found>, Refused> {
        let set = snapshot.key_sets.get(&self.key_set);
        let set = set.ok_or(Refused::NoKeys)?;
        if let Some(found) = self.remembered.get(&digest, set, now)
            && found.from <= now
        {
            return Ok(found);
        }
        let keys = set.keys.as_ref().ok_or(Refused::NoKeys)?;
        let checked = match (&set.issuer, self.policy.issuers.is_empty()) {
            (Some(issuer), true) => {
                let policy = Policy {
                    issuers: vec![issuer.clone()],
                    ..self.policy.clone()
                };
                verify(token, keys, &policy, now)
            }
            _ => verify(token, keys, &self.policy, now),
        };
        match checked.and_then(|verified| self.found(verified)) {
            Ok((found, until)) => {
                let found = Arc::new(found);
                self.remembered.put(digest, set, until, Arc::clone(&found));
                Ok(found)
            }
            Err(refusal) => {
                if refusal == Refusal::UnknownKey && set.remote {
                    set.lacks_key();
                }
                Err(Refused::Token(refusal))
            }
        }
    }

    fn found(&self, verified: Verified) -> Result<(Found, u64), Refusal> {
        let (from, until) = (verified.from, verified.until);
        let shared = self.meaning.of(verified.claims, &verified.scopes)?;
        let bound = Confirmation::of(&shared.claims().values);
        let found = Found {
            shared,
            bound,
            from,
        };
        Ok((found, until))
    }
}

/// Those of the settings.
pub(super) fn compile(settings: &Settings, mistakes: &mut Vec<InvalidSetting>) -> Vec<Provider> {
    if !(1..=MAX_PROVIDERS).contains(&settings.providers.len()) {
        let reason = format!("give 1 to {MAX_PROVIDERS}");
        mistakes.push(InvalidSetting::new("providers", reason));
    }
    if !(256..=65_536).contains(&settings.max_token_bytes) {
        let reason = "is not within 256 to 65536";
        mistakes.push(InvalidSetting::new("max_token_bytes", reason));
    }
    if settings.remember > MAX_REMEMBERED {
        let reason = format!("is more than {MAX_REMEMBERED}");
        mistakes.push(InvalidSetting::new("remember", reason));
    }
    let providers = settings.providers.iter().enumerate();
    providers
        .map(|(place, given)| {
            let mut wrong = |field: &str, reason: &str| {
                let field = format!("providers[{place}].{field}");
                mistakes.push(InvalidSetting::new(field, reason));
            };
            let policy = policy(given, settings.max_token_bytes, &mut wrong);
            Provider {
                key_set: given.key_set.as_str().into(),
                policy,
                meaning: Meaning {
                    consumer_claim: given.consumer_claim.as_deref().map(Into::into),
                    groups_claim: given.groups_claim.as_deref().map(Into::into),
                },
                remembered: Remembered::new(settings.remember),
            }
        })
        .collect()
}

fn policy(
    given: &ProviderSettings,
    max_bytes: usize,
    wrong: &mut impl FnMut(&str, &str),
) -> Policy {
    if given.key_set.is_empty() {
        wrong("key_set", "is required");
    }
    if given.clock_skew_seconds > MAX_SKEW_SECONDS {
        wrong("clock_skew_seconds", "is more than 600");
    }
    let mut algorithms = Vec::new();
    for (place, name) in given.algorithms.iter().enumerate() {
        match Algorithm::named(name) {
            Some(algorithm) => algorithms.push(algorithm),
            None => wrong(
                &format!("algorithms[{place}]"),
                "is not an algorithm known here",
            ),
        }
    }
    check_scopes(&given.scopes, wrong);
    let required = requirements(&given.required_claims, wrong);
    let texts = |list: &[String]| list.iter().map(|it| it.as_str().into()).collect();
    let lower = |typ: &String| typ.to_ascii_lowercase().into();
    Policy {
        max_bytes,
        algorithms,
        types: given.types.iter().map(lower).collect(),
        issuers: texts(&given.issuers),
        audiences: texts(&given.audiences),
        subjects: texts(&given.subjects),
        required,
        scopes: texts(&given.scopes),
        clock_skew: given.clock_skew_seconds,
        require_expiry: given.require_expiry,
        max_lifetime: given.max_lifetime_seconds,
    }
}

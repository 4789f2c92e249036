//! Whether an ID token is one that the provider made for this login (OpenID Connect Core 1.0, section 3.1.3.7).

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{Failure, Provider};
use crate::{
    jwt::{Claims, Policy, Refusal, parse_strict_json, verify},
    key_set::KeySet,
};

/// What an ID token must say beside what all must.
#[derive(Debug)]
pub(in super::super) enum Expected<'e> {
    /// The nonce of the login.
    Nonce(&'e str),
    /// Of the same subject as an earlier one, and not of another login (section 12.2).
    Like(&'e str),
}

impl Provider {
    /// Checks an ID token that came with an access token.
    pub(in super::super) fn check(
        &self,
        set: &KeySet,
        (token, access_token): (&str, &str),
        expected: &Expected<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let issuer = self.issuer(set).ok_or(Failure::Unavailable("no_issuer"))?;
        let keys = set.keys.as_ref().ok_or(Failure::Unavailable("no_keys"))?;
        let policy = Policy {
            issuers: vec![issuer.into()],
            ..self.policy.clone()
        };
        let verified = verify(token, keys, &policy, now);
        if matches!(verified, Err(Refusal::UnknownKey)) && set.remote {
            set.lacks_key();
        }
        let claims = verified?.claims;
        let wrong = |reason: &'static str| {
            let detail = format!("the ID token is not accepted: {reason}");
            Failure::Refused(reason, detail.into())
        };
        if claims.text("sub")?.is_none_or(str::is_empty) || claims.time("iat")?.is_none() {
            return Err(wrong("claim"));
        }
        if !self.is_party(&claims)? {
            return Err(wrong("authorized_party"));
        }
        if !is_expected(&claims, expected)? {
            return Err(wrong(match expected {
                Expected::Nonce(_) => "nonce",
                Expected::Like(_) => "subject",
            }));
        }
        if !self.is_recent(&claims, now)? {
            return Err(wrong("max_age"));
        }
        match claims.text("at_hash")? {
            Some(hash) if !hashes(token, access_token, hash) => Err(wrong("at_hash")),
            _ => Ok(()),
        }
    }

    /// Whether the token is for this client and not for another one as well that it was given to (`azp`).
    fn is_party(&self, claims: &Claims) -> Result<bool, Refusal> {
        Ok(match claims.text("azp")? {
            Some(party) => party == &*self.client_id,
            None => claims.texts("aud")?.len() == 1,
        })
    }

    /// Whether the browser logged in as recently as was asked for.
    fn is_recent(&self, claims: &Claims, now: u64) -> Result<bool, Refusal> {
        let Some(max_age) = self.max_age else {
            return Ok(true);
        };
        let latest = |at: u64| {
            let age = now.saturating_sub(at);
            age <= max_age.saturating_add(self.policy.clock_skew)
        };
        Ok(claims.time("auth_time")?.is_some_and(latest))
    }
}

fn is_expected(claims: &Claims, expected: &Expected<'_>) -> Result<bool, Refusal> {
    match expected {
        Expected::Nonce(nonce) => Ok(claims.text("nonce")? == Some(nonce)),
        Expected::Like(earlier) => {
            let Some(earlier) = self::claims(earlier) else {
                return Ok(false);
            };
            let nonce = claims.text("nonce")?;
            Ok(claims.get("sub") == earlier.get("sub")
                && (nonce.is_none() || nonce == earlier.text("nonce")?))
        }
    }
}

/// What a token says that was checked before.
pub(in super::super) fn claims(token: &str) -> Option<Claims> {
    match part(token, 1)? {
        Value::Object(members) => Some(Claims::new(members)),
        _ => None,
    }
}

/// A part of a token, from JSON in base64url.
fn part(token: &str, place: usize) -> Option<Value> {
    let part = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(place)?);
    parse_strict_json(&part.ok()?).ok()
}

/// Whether this is the hash of an access token, made as the ID token was signed: the left half of SHA-256, 384 or 512
/// (section 3.1.3.6).
fn hashes(token: &str, access_token: &str, hash: &str) -> bool {
    let header = part(token, 0).unwrap_or_default();
    let algorithm = match header["alg"].as_str() {
        Some(name) if name.ends_with("256") => &SHA256,
        Some(name) if name.ends_with("384") => &SHA384,
        _ => &SHA512,
    };
    let digest = digest(algorithm, access_token.as_bytes());
    let left = &digest.as_ref()[..digest.as_ref().len() / 2];
    BASE64_URL_SAFE_NO_PAD.encode(left) == hash
}

//! Whether a token is one that its issuer made, and says what is asked of it.

use super::{Claims, Keys, Policy, Refusal, Scopes, token::Token};

/// A token that was found good.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// What it allows.
    pub scopes: Scopes,
    /// From when it is valid, in seconds since 1970, clocks that differ included.
    pub from: u64,
    /// The first second in which it no longer is; `u64::MAX` where it does not expire.
    pub until: u64,
}

impl Verified {
    /// Whether it is valid at this time, in seconds since 1970.
    pub const fn is_valid_at(&self, now: u64) -> bool {
        self.from <= now && now < self.until
    }
}

/// Checks a token. `now` is in seconds since 1970.
///
/// # Errors
/// Why it is not accepted. Nothing that it says has been looked at before its signature was found good, but for what the
/// header says of how it is signed.
pub fn verify(token: &str, keys: &Keys, policy: &Policy, now: u64) -> Result<Verified, Refusal> {
    if token.len() > policy.max_bytes {
        return Err(Refusal::TooLarge);
    }
    let token = Token::read(token)?;
    if !policy.allows(token.algorithm) {
        return Err(Refusal::Algorithm);
    }
    if !policy.allows_type(token.typ.as_deref()) {
        return Err(Refusal::Type);
    }
    let mut fitting = keys
        .fitting(token.kid.as_deref(), token.algorithm)
        .peekable();
    if fitting.peek().is_none() {
        return Err(Refusal::UnknownKey);
    }
    let (signed, signature) = (token.signed.as_bytes(), token.signature()?);
    if !fitting.any(|key| key.has_signed(token.algorithm, signed, &signature)) {
        return Err(Refusal::Signature);
    }
    policy.check(Claims::new(token.claims()?), now)
}

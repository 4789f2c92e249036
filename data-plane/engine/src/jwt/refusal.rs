//! Why a token is not accepted.

use std::fmt;

/// Why a token is not accepted. For logs and metrics: clients are told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is larger than allowed.
    TooLarge,
    /// It is not three parts of base64url, or header or claims are no JSON object of which each member is there once.
    Malformed,
    /// Its header says something that is not accepted: `crit`, `b64`, `zip`, `jwk`, or a member of a wrong type.
    Header,
    /// Its `typ` is not one that is accepted.
    Type,
    /// Its algorithm is not known or not allowed.
    Algorithm,
    /// No key fits its `kid` and its algorithm.
    UnknownKey,
    /// The signature is not that of the key.
    Signature,
    /// A claim is of a type that it cannot be.
    ClaimType,
    /// It has expired.
    Expired,
    /// It has no `exp`, which is required.
    NoExpiry,
    /// It is not valid yet: `nbf`.
    NotYetValid,
    /// It was issued in the future: `iat`.
    IssuedInFuture,
    /// It is valid for longer than allowed, or does not say since when.
    Lifetime,
    /// It is of another issuer, or of none.
    Issuer,
    /// It is for another audience, or for none.
    Audience,
    /// It is of another subject, or of none.
    Subject,
    /// A claim that is required is missing or says something else.
    Claim,
    /// A scope that is required is missing.
    Scope,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::TooLarge,
        Self::Malformed,
        Self::Header,
        Self::Type,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::ClaimType,
        Self::Expired,
        Self::NoExpiry,
        Self::NotYetValid,
        Self::IssuedInFuture,
        Self::Lifetime,
        Self::Issuer,
        Self::Audience,
        Self::Subject,
        Self::Claim,
        Self::Scope,
    ];

    /// Its name: stable, snake_case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Header => "header",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::ClaimType => "claim_type",
            Self::Expired => "expired",
            Self::NoExpiry => "no_expiry",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::Lifetime => "lifetime",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Claim => "claim",
            Self::Scope => "scope",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

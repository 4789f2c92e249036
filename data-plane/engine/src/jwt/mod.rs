//! JSON Web Tokens (RFC 7519): who issued them, whether they are whole, and whether they say what is asked of them.
//!
//! * [`Keys`] are read from a JWKS (RFC 7517) or from PEM. An algorithm belongs to a key, never to a token: what the
//!   token's header says can only choose among what its key allows.
//! * [`verify()`] reads a token and checks its signature; [`Policy`] checks its claims.
//! * [`Remembered`] keeps what was verified until it expires.
//!
//! Everything here is strict where others guess: a member that is there twice, a claim of another type, an
//! extension that is not understood (`crit`) or an unsigned token is refused. Keys that a token brings along or
//! points to (`jwk`, `jku`, `x5u`, `x5c`) are never used.

mod algorithm;
mod claims;
pub mod dpop;
mod jwk;
mod key;
mod keys;
mod pem;
mod policy;
mod refusal;
mod remembered;
mod scope;
mod strict_json;
#[cfg(test)]
mod tests;
mod thumbprint;
mod token;
mod verify;

pub use algorithm::Algorithm;
pub use claims::{Claims, texts};
pub use key::Key;
pub use keys::{InvalidKeys, Keys, MAX_JWKS_BYTES, Skipped};
pub use policy::{Policy, Requirement, Test};
pub use refusal::Refusal;
pub use remembered::{Remembered, TokenDigest};
pub use scope::Scopes;
pub use strict_json::parse as parse_strict_json;
pub use verify::{Verified, verify};

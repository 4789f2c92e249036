//! What a token says it is bound to.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The claim `cnf` (RFC 7800 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::plugin) struct Confirmation {
    /// `jkt`: SHA-256 of the key of its proofs (RFC 9449 section 6).
    pub(super) key: Option<[u8; 32]>,
    /// `x5t#S256`: SHA-256 of the client's certificate (RFC 8705 section 3.1).
    pub(super) certificate: Option<[u8; 32]>,
    /// It is bound in a way that is not known here, or that cannot be read: nobody can show that.
    pub(super) unknown: bool,
}

impl Confirmation {
    /// That of a token.
    pub(in crate::plugin) fn of(claims: &Map<String, Value>) -> Self {
        let Some(claim) = claims.get("cnf") else {
            return Self::default();
        };
        let mut found = Self::default();
        let members = claim.as_object();
        for (name, value) in members.into_iter().flatten() {
            let place = match name.as_str() {
                "jkt" => &mut found.key,
                "x5t#S256" => &mut found.certificate,
                // Says where a key is, which is no proof by itself; beside one of the above it does no harm.
                _ => continue,
            };
            *place = thumbprint(value);
            if place.is_none() {
                found.unknown = true;
            }
        }
        found.unknown |= found.key.is_none() && found.certificate.is_none();
        found
    }
}

fn thumbprint(value: &Value) -> Option<[u8; 32]> {
    let text = value.as_str()?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok()
}

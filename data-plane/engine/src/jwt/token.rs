//! The parts of a token (RFC 7515 section 7.1), and its header.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Algorithm, Refusal, jwk::MAX_KID_BYTES, strict_json};

/// Largest header, in base64url.
pub(super) const MAX_HEADER_BYTES: usize = 4096;
/// Members of a header that are refused: extensions that must be understood and are not (`crit`), payloads of another
/// form (`b64`, RFC 7797; `zip`), and a key that the token brings along, as proofs of possession do.
const REFUSED: [&str; 4] = ["crit", "b64", "zip", "jwk"];

/// A token, taken apart and not yet believed.
pub(super) struct Token<'t> {
    /// What is signed: header and payload, as they are.
    pub(super) signed: &'t str,
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    pub(super) typ: Option<Box<str>>,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Token<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, Refusal> {
        let mut parts = text.split('.');
        let (Some(head), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        if head.len() > MAX_HEADER_BYTES {
            return Err(Refusal::TooLarge);
        }
        let header = object(head)?;
        if REFUSED.iter().any(|member| header.contains_key(*member)) {
            return Err(Refusal::Header);
        }
        let algorithm = member(&header, "alg")?.ok_or(Refusal::Header)?;
        let algorithm = Algorithm::named(algorithm).ok_or(Refusal::Algorithm)?;
        let kid = member(&header, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(Refusal::Header);
        }
        Ok(Self {
            signed: &text[..head.len() + 1 + payload.len()],
            algorithm,
            kid: kid.map(Into::into),
            typ: member(&header, "typ")?.map(Into::into),
            payload,
            signature,
        })
    }

    pub(super) fn signature(&self) -> Result<Vec<u8>, Refusal> {
        bytes(self.signature)
    }

    /// The claims. To be read only once the signature is known to be good.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Refusal> {
        object(self.payload)
    }
}

pub(super) fn object(part: &str) -> Result<Map<String, Value>, Refusal> {
    match strict_json::parse(&bytes(part)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Refusal::Malformed),
    }
}

/// Without padding, and without bits that mean nothing: one text for one value.
pub(super) fn bytes(part: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| Refusal::Malformed)
}

pub(super) fn member<'h>(
    header: &'h Map<String, Value>,
    name: &str,
) -> Result<Option<&'h str>, Refusal> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::Header),
    }
}

//! One key of a JWKS (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Algorithm, Key};

/// Longest `kid`, in bytes.
pub(super) const MAX_KID_BYTES: usize = 256;
/// Members of private keys (RFC 7518 sections 6.2.2 and 6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Why a key is not used.
pub(super) enum Unused {
    /// It is for something else: of a type not known here, for encryption, for another algorithm. Sets have such
    /// keys (RFC 7517 section 5).
    Other(&'static str),
    /// It is not what a key must be.
    Broken(String),
}

impl Unused {
    fn broken(reason: impl Into<String>) -> Self {
        Self::Broken(reason.into())
    }
}

/// Reads a key.
pub(super) fn read(jwk: &Map<String, Value>) -> Result<Key, Unused> {
    let kind = text(jwk, "kty")?.ok_or_else(|| Unused::broken("`kty` is missing"))?;
    if !["RSA", "EC", "OKP", "oct"].contains(&kind) {
        return Err(Unused::Other("a type of key that is not known here"));
    }
    let kid = text(jwk, "kid")?;
    if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
        return Err(Unused::broken(format!(
            "`kid` is longer than {MAX_KID_BYTES} bytes"
        )));
    }
    is_for_verifying(jwk)?;
    if kind != "oct" && PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
        return Err(Unused::broken(
            "a private key, which nobody but the issuer may have",
        ));
    }
    let only: Vec<Algorithm> = match text(jwk, "alg")? {
        None => Vec::new(),
        Some(name) => {
            let known = Algorithm::named(name);
            vec![known.ok_or(Unused::Other("for an algorithm that is not known here"))?]
        }
    };
    let key = match kind {
        "RSA" => Key::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?, &only),
        "EC" => elliptic(jwk, &only)?,
        "OKP" => edwards(jwk, &only)?,
        _ => Key::secret(&bytes(jwk, "k")?, &only),
    };
    let key = key.map_err(Unused::Broken)?;
    Ok(key.named(kid))
}

/// `use` and `key_ops`, where they are there (RFC 7517 sections 4.2 and 4.3).
fn is_for_verifying(jwk: &Map<String, Value>) -> Result<(), Unused> {
    if text(jwk, "use")?.is_some_and(|it| it != "sig") {
        return Err(Unused::Other("not for signatures"));
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
            let verifies = list.iter().any(|it| it == "verify");
            verifies
                .then_some(())
                .ok_or(Unused::Other("not for verifying signatures"))
        }
        Some(_) => Err(Unused::broken("`key_ops` is not a list of texts")),
    }
}

fn elliptic(jwk: &Map<String, Value>, only: &[Algorithm]) -> Result<Result<Key, String>, Unused> {
    let (algorithm, length) = match text(jwk, "crv")? {
        Some("P-256") => (Algorithm::Es256, 32),
        Some("P-384") => (Algorithm::Es384, 48),
        Some("P-521") => (Algorithm::Es512, 66),
        Some(_) => return Err(Unused::Other("on a curve that is not known here")),
        None => return Err(Unused::broken("`crv` is missing")),
    };
    let mut point = vec![4];
    for member in ["x", "y"] {
        let coordinate = bytes(jwk, member)?;
        if coordinate.len() != length {
            return Err(Unused::broken(format!(
                "`{member}` has {} bytes; its curve has {length}",
                coordinate.len()
            )));
        }
        point.extend(coordinate);
    }
    Ok(Key::point(algorithm, &point, only))
}

fn edwards(jwk: &Map<String, Value>, only: &[Algorithm]) -> Result<Result<Key, String>, Unused> {
    match text(jwk, "crv")? {
        Some("Ed25519") => {}
        Some(_) => return Err(Unused::Other("on a curve that is not known here")),
        None => return Err(Unused::broken("`crv` is missing")),
    }
    let point = bytes(jwk, "x")?;
    if point.len() != 32 {
        return Err(Unused::broken("`x` of Ed25519 has 32 bytes"));
    }
    Ok(Key::point(Algorithm::EdDsa, &point, only))
}

fn text<'k>(jwk: &'k Map<String, Value>, member: &str) -> Result<Option<&'k str>, Unused> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unused::broken(format!("`{member}` is not a text"))),
    }
}

fn bytes(jwk: &Map<String, Value>, member: &str) -> Result<Vec<u8>, Unused> {
    let text = text(jwk, member)?;
    let text = text.ok_or_else(|| Unused::broken(format!("`{member}` is missing")))?;
    // Some issuers pad.
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    decoded.map_err(|_| Unused::broken(format!("`{member}` is not base64url")))
}

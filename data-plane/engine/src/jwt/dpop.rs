//! Proofs of possession (DPoP, RFC 9449): that a request is of who has the key that a token is bound to.
//!
//! A proof is a token of its own, signed with the key that it brings along: here, unlike in all other tokens, the key
//! of the header counts, since it is the access token that says which key that must be. Whether a proof has been seen
//! before, and whether its nonce is one of ours, is for the caller to say.

use http::Uri;
use serde_json::Value;

use super::{
    Algorithm, Claims, Refusal as Why,
    jwk::{self, Unused},
    thumbprint::thumbprint,
    token::{self, MAX_HEADER_BYTES},
};
use crate::path::normalize;

#[cfg(test)]
mod tests;

/// Largest proof, in bytes.
pub const MAX_BYTES: usize = 8192;
/// Longest `jti` and `nonce`, in bytes.
const MAX_TEXT_BYTES: usize = 256;
/// Members of a header that are refused: what must be understood and is not.
const REFUSED: [&str; 3] = ["crit", "b64", "zip"];

/// The request that a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'r> {
    /// Its method.
    pub method: &'r str,
    /// Origins that it may be sent to, as `https://api.example.com`, with a port where that is not the scheme's own; in
    /// lower case.
    pub origins: &'r [Box<str>],
    /// Its path, normalised.
    pub path: &'r str,
}

/// What is asked of a proof, besides its request.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Algorithms that are accepted; never one of secrets.
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be, in seconds.
    pub max_age: u64,
    /// By how much clocks may differ, in seconds.
    pub clock_skew: u64,
}

/// A proof that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 of the key (RFC 7638), which the token must name as `cnf.jkt`.
    pub key: [u8; 32],
    /// Its `jti`.
    pub id: Box<str>,
    /// Its `nonce`.
    pub nonce: Option<Box<str>>,
}

/// Why a proof does not hold. For logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is no token of this kind: three parts, `typ`, a public key in its header, and claims of the right types.
    Malformed,
    /// Its algorithm is not accepted, or not that of its key.
    Algorithm,
    /// It is not signed with the key that it names.
    Signature,
    /// It is for another method or URI.
    Request,
    /// It is too old, or from the future.
    Time,
    /// It is for another token.
    Token,
}

impl Refusal {
    /// Its name: stable, snake_case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "proof_malformed",
            Self::Algorithm => "proof_algorithm",
            Self::Signature => "proof_signature",
            Self::Request => "proof_request",
            Self::Time => "proof_time",
            Self::Token => "proof_token",
        }
    }
}

/// Checks a proof (RFC 9449 section 4.3). `token` is the access token's SHA-256, `now` is in seconds since 1970.
///
/// # Errors
/// The first thing that is not as it must be.
pub fn verify(
    proof: &str,
    (target, token): (&Target<'_>, &[u8; 32]),
    rules: &Rules,
    now: u64,
) -> Result<Proof, Refusal> {
    let (claims, key) = signed(proof, rules)?;
    let text = |name: &str| match claims.text(name) {
        Ok(Some(text)) => Ok(text),
        Ok(None) | Err(_) => Err(Refusal::Malformed),
    };
    let (method, uri, id) = (text("htm")?, text("htu")?, text("jti")?);
    let nonce = claims.text("nonce").map_err(|_| Refusal::Malformed)?;
    let issued = claims.time("iat").map_err(|_| Refusal::Malformed)?;
    let issued = issued.ok_or(Refusal::Malformed)?;
    let bounded = |text: &str| !text.is_empty() && text.len() <= MAX_TEXT_BYTES;
    if !bounded(id) || !nonce.is_none_or(bounded) {
        return Err(Refusal::Malformed);
    }
    if method != target.method || !is_at(uri, target) {
        return Err(Refusal::Request);
    }
    let oldest = now.saturating_sub(rules.max_age.saturating_add(rules.clock_skew));
    if issued < oldest || issued > now.saturating_add(rules.clock_skew) {
        return Err(Refusal::Time);
    }
    let hash = claims.text("ath").map_err(|_| Refusal::Malformed)?;
    let hash = hash.and_then(|text| token::bytes(text).ok());
    if hash.as_deref() != Some(&token[..]) {
        return Err(Refusal::Token);
    }
    Ok(Proof {
        key,
        id: id.into(),
        nonce: nonce.map(Into::into),
    })
}

/// What a proof says, and the thumbprint of the key that it is signed with.
fn signed(proof: &str, rules: &Rules) -> Result<(Claims, [u8; 32]), Refusal> {
    let malformed = |_: Why| Refusal::Malformed;
    if proof.len() > MAX_BYTES {
        return Err(Refusal::Malformed);
    }
    let mut parts = proof.split('.');
    let (Some(head), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Malformed);
    };
    if head.len() > MAX_HEADER_BYTES {
        return Err(Refusal::Malformed);
    }
    let header = token::object(head).map_err(malformed)?;
    if REFUSED.iter().any(|member| header.contains_key(*member)) {
        return Err(Refusal::Malformed);
    }
    let typ = token::member(&header, "typ").map_err(malformed)?;
    if typ != Some("dpop+jwt") {
        return Err(Refusal::Malformed);
    }
    let algorithm = token::member(&header, "alg").map_err(malformed)?;
    let algorithm = algorithm.and_then(Algorithm::named);
    let algorithm = algorithm.filter(|it| !it.is_of_secrets() && rules.algorithms.contains(it));
    let algorithm = algorithm.ok_or(Refusal::Algorithm)?;
    let jwk = header.get("jwk").and_then(Value::as_object);
    let jwk = jwk.ok_or(Refusal::Malformed)?;
    // None of a secret, which would be no proof of anything.
    let print = thumbprint(jwk).ok_or(Refusal::Malformed)?;
    let key = jwk::read(jwk).map_err(|unused| match unused {
        Unused::Other(_) => Refusal::Algorithm,
        Unused::Broken(_) => Refusal::Malformed,
    })?;
    if !key.algorithms().any(|its| its == algorithm) {
        return Err(Refusal::Algorithm);
    }
    let message = &proof.as_bytes()[..head.len() + 1 + payload.len()];
    let signature = token::bytes(signature).map_err(malformed)?;
    if !key.has_signed(algorithm, message, &signature) {
        return Err(Refusal::Signature);
    }
    let claims = token::object(payload).map_err(malformed)?;
    Ok((Claims::new(claims), print))
}

/// Whether a URI is that of the request, without query and fragment, both in their normalised form.
fn is_at(uri: &str, target: &Target<'_>) -> bool {
    let bare = uri.split(['?', '#']).next().unwrap_or_default();
    let Ok(uri) = bare.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return false;
    };
    let Some(origin) = origin(scheme, authority.as_str()) else {
        return false;
    };
    let path = match uri.path() {
        "" => "/",
        path => path,
    };
    let same_path = normalize(path).is_ok_and(|path| *path == *target.path);
    same_path && target.origins.iter().any(|it| **it == *origin)
}

/// The origin of a scheme and an authority, in lower case, without the scheme's own port; none of what cannot be one.
pub fn origin(scheme: &str, authority: &str) -> Option<String> {
    let scheme = scheme.to_ascii_lowercase();
    let own = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    // Not a colon within the brackets of an IPv6 address.
    let colon = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'));
    let (host, port) = match colon {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (authority, ""),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if host.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match port == own || port.is_empty() {
        true => format!("{scheme}://{host}"),
        false => format!("{scheme}://{host}:{port}"),
    })
}

//! An issuer's key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

/// Signs tokens.
pub(crate) struct Signer {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    /// A new key of this name.
    pub(crate) fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, pair }
    }

    /// Its public half (RFC 7517).
    pub(crate) fn jwk(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let (x, y) = (BASE64.encode(x), BASE64.encode(y));
        json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "alg": "ES256", "x": x, "y": y})
    }

    /// A token that says this, valid for an hour unless it says otherwise.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut all = json!({"exp": now() + 3600});
        let given = claims.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(given);
        let head = json!({"alg": "ES256", "kid": self.kid, "typ": "JWT"});
        let [head, claims] = [head, all].map(|it| BASE64.encode(it.to_string()));
        let signed = format!("{head}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature.unwrap()))
    }
}

/// In seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// Their JWKS.
pub(crate) fn jwks(signers: &[&Signer]) -> Value {
    let keys: Vec<Value> = signers.iter().map(|it| it.jwk()).collect();
    json!({"keys": keys})
}

//! Tokens that are signed with RS256, the same in every process of a run.

use std::sync::LazyLock;

use anyhow::Context as _;
use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// Whose tokens they are.
pub(crate) const ISSUER: &str = "https://login.bench.local";
/// Whom they are for.
pub(crate) const AUDIENCE: &str = "bench";
/// 2100, so that tokens are the same whenever they are made.
const EXPIRES: u64 = 4_102_444_800;
/// The modulus of the key.
const MODULUS: &str = "wQKHIfgmpDbFjIhvISR7oHXqfdA3Nqunh1tgq052dY3F6pqxwtbYBPSE7z8Lld2GYEdK707O8zaOtMfQmR-ZGfsi4Y\
    Mv2eD9uNJBO5xInEip55X3S7KBR7IxxdirkdrHHEK302St8zkqQN9i9YMNnZWWpDYdWEsk7GocJnNDBbQDuyObS84z\
    bcaMG7IChtg4vSEEn3UiB-KhfWMhVcvsPuRZDQPew3nGzYzS1Lk_50LyFeHTCRfMeemM2JF7xMduST1QIkOQ-95Xal\
    HBrkP9ySqPaU-p-Bu3JUGRrbQ1arWlCCzEvfs08_x2csvT_2Zg2TB4-35UPqC7hMNEvZwwOw";

/// The public key as a JWKS (RFC 7517).
pub(crate) fn jwks() -> Value {
    let key = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench", "n": MODULUS, "e": "AQAB"});
    json!({"keys": [key]})
}

/// The token of a subject.
pub(crate) fn token(subject: usize) -> anyhow::Result<String> {
    static KEY: LazyLock<anyhow::Result<KeyPair>> = LazyLock::new(key);
    let key = KEY.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{subject:05}"), "exp": EXPIRES,
        "scope": "orders/read", "client_id": "bench",
    });
    let head = json!({"alg": "RS256", "kid": "bench", "typ": "at+jwt"});
    let [head, claims] = [head, claims].map(|it| BASE64_URL_SAFE_NO_PAD.encode(it.to_string()));
    let signed = format!("{head}.{claims}");
    let mut signature = vec![0; key.public_modulus_len()];
    let signing = key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    );
    signing.ok().context("cannot sign")?;
    Ok(format!(
        "{signed}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// A key of the tests, of which nothing depends.
fn key() -> anyhow::Result<KeyPair> {
    let keys: Value = serde_json::from_str(include_str!("../jwt/keys.json"))?;
    let pem = keys["rsa"].as_str().context("no such key")?;
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let der = BASE64_STANDARD.decode(lines.collect::<String>())?;
    KeyPair::from_pkcs8(&der).ok().context("not a key")
}

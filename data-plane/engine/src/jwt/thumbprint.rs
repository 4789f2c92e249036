//! Thumbprints of keys (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

/// SHA-256 of the members that make a public key what it is; none of what is no public key.
///
/// They are taken as they are written. A key that is written in another way has another thumbprint, and is
/// that of no token.
pub(super) fn thumbprint(jwk: &Map<String, Value>) -> Option<[u8; 32]> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "RSA" => &["e", "kty", "n"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut canonical = Map::new();
    for name in members {
        let value = jwk.get(*name)?.as_str()?;
        canonical.insert((*name).to_owned(), value.into());
    }
    // In the order of their names, without space: what a sorted map is written as.
    let text = Value::Object(canonical).to_string();
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::thumbprint;

    #[test]
    fn the_thumbprint_of_rfc_7638_section_3_1() {
        let key = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        });
        let found = thumbprint(key.as_object().unwrap()).unwrap();
        let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(found), expected);
        let secret = json!({"kty": "oct", "k": "AAAA"});
        assert_eq!(thumbprint(secret.as_object().unwrap()), None);
    }
}

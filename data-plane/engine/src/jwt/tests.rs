//! Published examples; the table of what is refused is in the package of tests.

use super::{Algorithm, Keys, Policy, Refusal, verify};

/// RFC 7515, appendix A.1.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const JWKS: &str = r#"{"keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
const EXPIRES: u64 = 1_300_819_380;

#[test]
fn the_example_of_the_standard_is_good_until_it_expires() {
    let (keys, skipped) = Keys::from_jwks(JWKS.as_bytes()).unwrap();
    assert!(skipped.is_empty());
    let policy = Policy {
        issuers: vec!["joe".into()],
        ..Policy::default()
    };
    let verified = verify(TOKEN, &keys, &policy, EXPIRES - 1).unwrap();
    assert_eq!(verified.claims.get("iss").unwrap(), "joe");
    assert_eq!(verified.until, EXPIRES + policy.clock_skew);
    let late = verify(TOKEN, &keys, &policy, EXPIRES + policy.clock_skew);
    assert_eq!(late.unwrap_err(), Refusal::Expired);
}

#[test]
fn a_token_with_one_bit_changed_is_refused_wherever_that_is() {
    let (keys, _) = Keys::from_jwks(JWKS.as_bytes()).unwrap();
    for place in 0..TOKEN.len() {
        for bit in 0..8 {
            let mut forged = TOKEN.as_bytes().to_vec();
            forged[place] ^= 1 << bit;
            if let Ok(forged) = std::str::from_utf8(&forged) {
                let found = verify(forged, &keys, &Policy::default(), EXPIRES - 1);
                assert!(found.is_err(), "{forged}");
            }
        }
    }
}

#[test]
fn a_short_secret_is_used_with_no_algorithm_that_needs_a_longer_one() {
    let keys = Keys::from_secret(&[7; 48], None, &[]).unwrap();
    let algorithms: Vec<_> = keys.list[0].algorithms().collect();
    assert_eq!(algorithms, [Algorithm::Hs256, Algorithm::Hs384]);
    assert!(Keys::from_secret(&[7; 31], None, &[]).is_err());
    assert!(Keys::from_secret(&[7; 48], None, &[Algorithm::Hs512]).is_err());
    assert!(Keys::from_secret(&[7; 64], None, &[Algorithm::Rs256]).is_err());
}

#[test]
fn keys_for_something_else_are_left_out_and_broken_ones_are_told() {
    let jwks = r#"{"keys": [
        {"kty": "quantum", "kid": "1"},
        {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "secp256k1", "x": "AQAB", "y": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQAB"},
        {"kty": "oct", "k": "c2hvcnQ"},
        {"kty": 7},
        7
    ]}"#;
    let (keys, skipped) = Keys::from_jwks(jwks.as_bytes()).unwrap();
    assert!(keys.list.is_empty());
    let broken: Vec<usize> = skipped
        .iter()
        .filter(|it| it.broken)
        .map(|it| it.index)
        .collect();
    assert_eq!(broken, [2, 5, 6, 7, 8, 9]);
    assert_eq!(skipped.len(), 10);
}

#[test]
fn a_set_is_bounded() {
    let many = format!(
        r#"{{"keys": [{}]}}"#,
        vec![r#"{"kty": "x"}"#; 101].join(",")
    );
    assert!(Keys::from_jwks(many.as_bytes()).is_err());
    assert!(Keys::from_jwks(&vec![b' '; 256 * 1024 + 1]).is_err());
    assert!(Keys::from_jwks(br#"{"keys": [], "keys": []}"#).is_err());
    assert!(Keys::from_jwks(b"[]").is_err());
}

//! Proofs as data: `cases.json` says what is different from a good one, and what comes of it.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Algorithm, Proof, Refusal, Rules, Target, origin, verify};

const NOW: u64 = 1_800_000_000;
const TOKEN: &[u8] = b"the-access-token";

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    name: String,
    /// Members of the header that are other ones; null takes one out.
    header: Map<String, Value>,
    /// Members of the key in the header, likewise.
    jwk: Map<String, Value>,
    /// Claims, likewise.
    claims: Map<String, Value>,
    /// What is done to the proof once it is signed.
    tamper: String,
    method: String,
    path: String,
    origins: Vec<Box<str>>,
    /// `ok`, or the reason.
    expect: String,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: String::new(),
            header: Map::new(),
            jwk: Map::new(),
            claims: Map::new(),
            tamper: String::new(),
            method: "GET".to_owned(),
            path: "/orders/7".to_owned(),
            origins: vec!["https://api.example.com".into()],
            expect: "ok".to_owned(),
        }
    }
}

fn rules() -> Rules {
    Rules {
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps256],
        max_age: 60,
        clock_skew: 5,
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

fn patched(mut value: Value, patch: &Map<String, Value>) -> Value {
    let members = value.as_object_mut().unwrap();
    for (name, new) in patch {
        match new {
            Value::Null => members.remove(name),
            new => members.insert(name.clone(), new.clone()),
        };
    }
    value
}

fn proof(case: &Case, pair: &EcdsaKeyPair) -> String {
    let point = pair.public_key().as_ref();
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
    });
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": patched(jwk, &case.jwk)});
    let claims = json!({
        "jti": "one", "htm": "GET", "htu": "https://api.example.com/orders/7", "iat": NOW,
        "ath": BASE64.encode(sha256(TOKEN)),
    });
    let head = BASE64.encode(patched(header, &case.header).to_string());
    let payload = BASE64.encode(patched(claims, &case.claims).to_string());
    let message = format!("{head}.{payload}");
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let signature = BASE64.encode(signature.as_ref());
    match case.tamper.as_str() {
        "" => format!("{message}.{signature}"),
        "unsigned" => format!("{message}."),
        "other payload" => {
            let other = BASE64.encode(json!({"htm": "GET"}).to_string());
            format!("{head}.{other}.{signature}")
        }
        "five parts" => format!("{message}.{signature}.a.b"),
        "long" => format!("{message}.{signature}{}", "A".repeat(8192)),
        other => panic!("nothing known as `{other}`"),
    }
}

#[test]
fn every_case_of_the_table_comes_to_what_it_says() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("cases.json")).unwrap();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rules = rules();
    for case in &cases {
        let target = Target {
            method: &case.method,
            origins: &case.origins,
            path: &case.path,
        };
        let found = verify(&proof(case, &pair), (&target, &sha256(TOKEN)), &rules, NOW);
        let said = found.map_or_else(Refusal::as_str, |_| "ok");
        assert_eq!(said, case.expect, "{}", case.name);
    }
}

/// The proof of RFC 9449 section 7.1 (figure 13), and the thumbprint that its token names (section 6.1).
#[test]
fn the_proof_of_the_specification_holds() {
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let target = Target {
        method: "GET",
        origins: &["https://resource.example.org".into()],
        path: "/protectedresource",
    };
    let token = sha256(b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let found = verify(proof, (&target, &token), &rules(), 1_562_262_618).unwrap();
    let expected = Proof {
        key: BASE64
            .decode("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
            .unwrap()
            .try_into()
            .unwrap(),
        id: "e1j3V_bKic8-LAEB".into(),
        nonce: None,
    };
    assert_eq!(found, expected);
}

#[test]
fn origins_are_compared_in_one_form() {
    let same = [
        ("https", "API.example.com"),
        ("HTTPS", "api.example.com:443"),
        ("https", "api.example.com."),
    ];
    for (scheme, authority) in same {
        let found = origin(scheme, authority);
        assert_eq!(found.as_deref(), Some("https://api.example.com"));
    }
    assert_eq!(
        origin("http", "[::1]:8080").as_deref(),
        Some("http://[::1]:8080")
    );
    for (scheme, authority) in [
        ("ftp", "a"),
        ("https", ""),
        ("https", "a@b"),
        ("https", "a:x"),
    ] {
        assert_eq!(origin(scheme, authority), None, "{scheme} {authority}");
    }
}

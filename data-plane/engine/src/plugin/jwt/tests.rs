use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    jwt::Keys,
    key_set::KeySet,
    plugin::tests::{Request, mistakes, plugin, reference_fields},
};

const SECRET: [u8; 32] = [7; 32];

/// A token signed with [`SECRET`] and named `k`.
fn token(claims: &Value) -> String {
    use aws_lc_rs::hmac;
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
    let head = BASE64.encode(r#"{"alg":"HS256","kid":"k"}"#);
    let signed = format!("{head}.{}", BASE64.encode(claims.to_string()));
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &SECRET),
        signed.as_bytes(),
    );
    format!("{signed}.{}", BASE64.encode(tag))
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"iss": "https://i", "sub": "u1", "exp": 99_999_999_999_u64});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn keys(named: Option<&str>) -> KeySet {
    KeySet {
        name: "login".into(),
        issuer: Some("https://i".into()),
        remote: true,
        keys: named.map(|kid| Keys::from_secret(&SECRET, Some(kid), &[]).unwrap()),
        ..KeySet::default()
    }
}

fn bearer(claims: &Value) -> Request {
    let field = format!("Bearer {}", token(claims));
    Request::get("/").header("authorization", &field)
}

#[tokio::test]
async fn a_good_token_passes_a_bad_one_is_refused_and_nothing_is_let_through_without_keys() {
    let settings = json!({"providers": [{"key_set": "login", "scopes": ["read"]}]});
    let jwt = plugin("jwt", &settings);
    let good = claims(&json!({"scope": "read"}));
    let cases = [
        (good.clone(), Some("k"), None),
        (claims(&json!({})), Some("k"), Some("forbidden")),
        (
            claims(&json!({"scope": "read", "iss": "https://evil"})),
            Some("k"),
            Some("unauthorized"),
        ),
        (
            claims(&json!({"scope": "read", "exp": 1})),
            Some("k"),
            Some("unauthorized"),
        ),
        (good.clone(), Some("other"), Some("unauthorized")),
        (good, None, Some("keys_unavailable")),
    ];
    for (claims, kid, expected) in cases {
        let set = Arc::new(keys(kid));
        // The second time what was found may be remembered.
        for _ in 0..2 {
            let request = bearer(&claims).with_keys(Arc::clone(&set));
            assert_eq!(request.refusal(&jwt).await, expected, "{claims}");
        }
        assert_eq!(set.unknown_keys(), if kid == Some("other") { 2 } else { 0 });
    }
    assert_eq!(Request::get("/").refusal(&jwt).await, Some("unauthorized"));
    let basic = Request::get("/").header("authorization", "Basic YTpi");
    assert_eq!(basic.refusal(&jwt).await, Some("unauthorized"));
}

#[tokio::test]
async fn what_the_token_says_replaces_what_the_client_made_up() {
    let settings = json!({
        "providers": [{"key_set": "login", "groups_claim": "groups"}],
        "claims_to_headers": {"sub": "x-user", "none": "x-none", "/a/b": "x-deep"},
        "hide_credential": true,
    });
    let claims = claims(&json!({"groups": ["staff"], "a": {"b": ["1", "2"]}}));
    let request = bearer(&claims)
        .header("x-user", "root")
        .header("x-none", "made-up")
        .with_keys(Arc::new(keys(Some("k"))));
    let outcome = request.through(&[plugin("jwt", &settings)]).await;
    assert_eq!(outcome.refusal(), None);
    let headers = &outcome.context.headers;
    assert_eq!(headers["x-user"], "u1");
    assert_eq!(headers["x-deep"], "1,2");
    assert!(!headers.contains_key("x-none") && !headers.contains_key("authorization"));
    assert!(outcome.context.is_in_group("staff"));
}

#[tokio::test]
async fn a_token_is_found_wherever_it_may_be_and_hidden_alone() {
    let jwt = plugin(
        "jwt",
        &json!({
            "providers": [{"key_set": "login"}], "hide_credential": true,
            "headers": ["authorization", "x-token"], "query": ["my token"], "cookies": ["t"],
        }),
    );
    let token = token(&claims(&json!({})));
    let sent = [
        Request::get("/?a=1").header("authorization", &format!("bearer  {token}")),
        Request::get("/?a=1").header("x-token", &token),
        Request::get(&format!("/?my+token={token}&a=1")),
        Request::get(&format!("/?a=1&my%20token={token}")),
        // A cookie of another encoding beside it.
        Request::get("/?a=1").header("cookie", &format!("n=é; t=\"{token}\"")),
    ];
    for request in sent {
        let request = request.with_keys(Arc::new(keys(Some("k"))));
        let outcome = request.through(std::slice::from_ref(&jwt)).await;
        assert_eq!(outcome.refusal(), None);
        let context = &outcome.context;
        assert_eq!(context.query.as_deref(), Some("a=1"));
        for value in context.headers.values() {
            assert!(!value.as_bytes().ends_with(token.as_bytes()), "{value:?}");
        }
    }
    let two = bearer(&claims(&json!({}))).header("authorization", "Basic YTpi");
    let two = two.with_keys(Arc::new(keys(Some("k"))));
    let outcome = two.through(&[jwt]).await;
    assert_eq!(outcome.context.headers["authorization"], "Basic YTpi");
}

/// A key of a client, and proofs made with it.
struct Holder(aws_lc_rs::signature::EcdsaKeyPair);

impl Holder {
    fn new() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        use aws_lc_rs::signature::KeyPair as _;
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
        let point = self.0.public_key().as_ref();
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..]));
        json!({"crv": "P-256", "kty": "EC", "x": x, "y": y})
    }

    /// What tokens are bound to.
    fn confirmation(&self) -> Value {
        json!({"jkt": sha256(self.jwk().to_string().as_bytes())})
    }

    fn proof(&self, token: &str, id: &str, nonce: Option<&str>) -> String {
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let head = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()});
        let mut claims = json!({
            "htm": "GET", "htu": "http://example.com/a", "jti": id, "iat": now.unwrap().as_secs(),
            "ath": sha256(token.as_bytes()),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let (head, claims) = (head.to_string(), claims.to_string());
        let signed = format!("{}.{}", BASE64.encode(head), BASE64.encode(claims));
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.0.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64.encode(signature.as_ref()))
    }
}

fn sha256(bytes: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
    BASE64.encode(digest(&SHA256, bytes).as_ref())
}

/// What an answer challenges with.
async fn challenged(request: Request, jwt: &Arc<crate::plugin::Instance>) -> (String, String) {
    let request = request.with_keys(Arc::new(keys(Some("k"))));
    let Some(rejection) = request.rejection(jwt).await else {
        return Default::default();
    };
    let field = |wanted: &str| {
        let found = rejection.headers.iter().find(|(name, _)| name == wanted);
        found.map_or_else(String::new, |(_, value)| value.to_str().unwrap().to_owned())
    };
    (field("www-authenticate"), field("dpop-nonce"))
}

#[tokio::test]
async fn a_bound_token_passes_with_a_proof_of_its_key_and_never_without() {
    let jwt = plugin(
        "jwt",
        &json!({"providers": [{"key_set": "login"}], "hide_credential": true}),
    );
    let (holder, thief) = (Holder::new(), Holder::new());
    let token = token(&claims(&json!({"cnf": holder.confirmation()})));
    let sent = |scheme: &str, proofs: &[String]| {
        let request = Request::get("/a").header("authorization", &format!("{scheme} {token}"));
        proofs
            .iter()
            .fold(request, |it, proof| it.header("dpop", proof))
    };
    let good = sent("DPoP", &[holder.proof(&token, "1", None)]);
    let good = good.with_keys(Arc::new(keys(Some("k"))));
    let outcome = good.through(std::slice::from_ref(&jwt)).await;
    assert_eq!(outcome.refusal(), None);
    let headers = &outcome.context.headers;
    assert!(!headers.contains_key("authorization") && !headers.contains_key("dpop"));
    let proof = |id: &str| holder.proof(&token, id, None);
    let invalid_proof = [
        sent("DPoP", &[]),
        sent("DPoP", &[proof("2"), proof("3")]),
        sent("dpop", &[thief.proof(&token, "4", None)]),
        sent("DPoP", &[holder.proof("another", "5", None)]),
        sent("DPoP", &[proof("1")]),
        sent("DPoP", &[proof("6")]).method("POST"),
    ];
    for request in invalid_proof {
        let (challenge, _) = challenged(request, &jwt).await;
        let expected = "DPoP realm=\"gatewright\", error=\"invalid_dpop_proof\", algs=\"ES256 ES384 EdDSA PS256\"";
        assert_eq!(challenge, expected);
    }
    for request in [sent("Bearer", &[]), sent("Bearer", &[proof("7")])] {
        let (challenge, _) = challenged(request, &jwt).await;
        assert!(challenge.starts_with("DPoP "), "{challenge}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

#[tokio::test]
async fn where_a_nonce_is_asked_for_it_is_told_and_then_accepted() {
    let settings = json!({
        "providers": [{"key_set": "login"}], "sender_constrained": "dpop",
        "dpop": {"require_nonce": true, "origins": ["http://EXAMPLE.com:80"]},
    });
    let jwt = plugin("jwt", &settings);
    let holder = Holder::new();
    let token = token(&claims(&json!({"cnf": holder.confirmation()})));
    let sent = |nonce: Option<&str>, id: &str| {
        Request::get("/a")
            .header("host", "elsewhere")
            .header("authorization", &format!("DPoP {token}"))
            .header("dpop", &holder.proof(&token, id, nonce))
    };
    let (challenge, nonce) = challenged(sent(None, "1"), &jwt).await;
    assert!(
        challenge.contains("error=\"use_dpop_nonce\""),
        "{challenge}"
    );
    let (challenge, _) = challenged(sent(Some("made-up"), "1"), &jwt).await;
    assert!(
        challenge.contains("error=\"use_dpop_nonce\""),
        "{challenge}"
    );
    let good = sent(Some(&nonce), "1").with_keys(Arc::new(keys(Some("k"))));
    assert_eq!(good.refusal(&jwt).await, None);
    let (challenge, _) = challenged(Request::get("/a"), &jwt).await;
    assert!(challenge.starts_with("DPoP realm"), "{challenge}");
}

#[test]
fn mistakes_in_settings_say_where() {
    assert_eq!(mistakes("jwt", &json!({})), ["settings.providers"]);
    let settings = json!({
        "providers": [{"key_set": "login", "algorithms": ["none"], "scopes": ["a b"]}],
        "claims_to_headers": {"sub": "host"},
    });
    let expected = [
        "settings.providers[0].algorithms[0]",
        "settings.providers[0].scopes",
        "settings.claims_to_headers.sub",
    ];
    assert_eq!(mistakes("jwt", &settings), expected);
    let dpop = json!({
        "max_age_seconds": 0, "clock_skew_seconds": 61, "algorithms": ["HS256"], "origins": ["https://a/b"],
        "nonce_seconds": 1,
    });
    let settings = json!({"providers": [{"key_set": "login"}], "dpop": dpop});
    let expected = [
        "settings.dpop.max_age_seconds",
        "settings.dpop.clock_skew_seconds",
        "settings.dpop.algorithms[0]",
        "settings.dpop.origins[0]",
        "settings.dpop.nonce_seconds",
    ];
    assert_eq!(mistakes("jwt", &settings), expected);
    let settings = json!({"providers": [{"key_set": "login"}]});
    assert_eq!(
        reference_fields("jwt", &settings),
        ["settings.providers[0].key_set key_set/login"]
    );
}

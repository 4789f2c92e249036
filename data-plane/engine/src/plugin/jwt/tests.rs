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
    let settings = json!({"providers": [{"key_set": "login"}]});
    assert_eq!(
        reference_fields("jwt", &settings),
        ["settings.providers[0].key_set key_set/login"]
    );
}

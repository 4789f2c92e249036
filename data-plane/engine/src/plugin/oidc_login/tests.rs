use serde_json::json;

use crate::plugin::tests::{mistakes, reference_fields};

#[test]
fn mistakes_in_settings_say_where() {
    let expected = [
        "settings.key_set",
        "settings.client_id",
        "settings.session_keys",
    ];
    assert_eq!(mistakes("oidc-login", &json!({})), expected);
    let settings = json!({
        "key_set": "login", "client_id": "c", "session_keys": ["env:A"],
        "cookie_name": "a b", "origin": "http://app.example", "lifetime_seconds": 10,
        "idle_seconds": 3601, "callback_path": "/a/../b", "login_path": "/oauth2/logout",
        "scopes": ["email"], "prompt": "none login", "ui_locales": ["de_CH"],
        "authorization_parameters": {"nonce": "1", "audience": "a"},
        "upstream_header": "cookie", "claims_to_headers": {"sub": "host"},
        "algorithms": ["none"], "token_endpoint": "http://login.example/token",
        "end_session_endpoint": "ftp://a", "timeout_ms": 1,
    });
    let mut found = mistakes("oidc-login", &settings);
    found.sort();
    let expected = [
        "settings.algorithms[0]",
        "settings.authorization_parameters.nonce",
        "settings.callback_path",
        "settings.callback_path",
        "settings.claims_to_headers.sub",
        "settings.cookie_name",
        "settings.end_session_endpoint",
        "settings.idle_seconds",
        "settings.lifetime_seconds",
        "settings.origin",
        "settings.prompt",
        "settings.scopes",
        "settings.timeout_ms",
        "settings.token_endpoint",
        "settings.ui_locales[0]",
        "settings.upstream_header",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_the_settings_name_must_be_there() {
    let settings = json!({
        "key_set": "login", "client_id": "c", "client_secret": "secret:a",
        "session_keys": ["env:A", "secret:b#c"],
    });
    let expected = [
        "settings.key_set key_set/login",
        "settings.client_secret secret/a",
        "settings.session_keys[1] secret/b",
    ];
    assert_eq!(reference_fields("oidc-login", &settings), expected);
}

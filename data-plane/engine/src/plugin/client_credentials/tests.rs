use serde_json::json;

use crate::plugin::tests::{Request, mistakes, plugin, reference_fields};

#[tokio::test]
async fn without_a_secret_requests_are_refused() {
    let settings = json!({
        "token_endpoint": "https://login.example.com/token", "client": {"id": "a", "secret": "env:MISSING"},
    });
    let closed = plugin("client-credentials", &settings);
    let refused = Request::get("/").refusal(&closed).await;
    assert_eq!(refused, Some("secret_unavailable"));
}

#[test]
fn mistakes_in_settings_say_where() {
    let settings = json!({
        "token_endpoint": "ftp://a", "client": {"id": "a", "secret": "env:SECRET", "auth": "post"}, "scopes": ["a b"],
        "refresh_ahead_seconds": 3601, "default_lifetime_seconds": 9, "timeout_ms": 10_001,
        "parameters": {"scope": "x"},
    });
    let expected = [
        "settings.refresh_ahead_seconds",
        "settings.default_lifetime_seconds",
        "settings.scopes",
        "settings.timeout_ms",
        "settings.parameters.scope",
        "settings.token_endpoint",
    ];
    assert_eq!(mistakes("client-credentials", &settings), expected);
    let settings = json!({
        "token_endpoint": "https://a", "client": {"id": "a", "secret": "secret:client"},
    });
    assert_eq!(
        reference_fields("client-credentials", &settings),
        ["settings.client.secret secret/client"]
    );
}

use serde_json::json;

use crate::plugin::tests::{Request, mistakes, plugin, reference_fields};

#[tokio::test]
async fn without_anybody_to_ask_requests_are_refused_unless_it_fails_open() {
    let closed = plugin("ext-authz", &json!({"url": "http://127.0.0.1:1"}));
    let refused = Request::get("/").refusal(&closed).await;
    assert_eq!(refused, Some("authorizer_unavailable"));
    let settings =
        json!({"url": "http://127.0.0.1:1", "fail_open": true, "upstream_headers": ["x-user"]});
    let open = plugin("ext-authz", &settings);
    let request = Request::get("/").header("x-user", "forged");
    let forwarded = request.forwarded(&open).await;
    assert!(!forwarded.headers.contains_key("x-user"));
    assert!(forwarded.decisions[0].shadow);
}

#[test]
fn mistakes_are_named() {
    let settings = json!({
        "url": "ftp://a", "timeout_ms": 0, "max_concurrent": 0,
        "allowed_headers": ["a b"], "upstream_headers": ["content-length"],
    });
    let expected = [
        "settings.url",
        "settings.timeout_ms",
        "settings.max_concurrent",
        "settings.allowed_headers[0]",
        "settings.upstream_headers[0]",
    ];
    assert_eq!(mistakes("ext-authz", &settings), expected);
    for url in ["", "/a", "http://u:p@a", "http://a?b=c"] {
        assert_eq!(
            mistakes("ext-authz", &json!({"url": url})),
            ["settings.url"],
            "{url}"
        );
    }
    for ca in ["plain", "-----BEGIN CERTIFICATE-----\nAAAA"] {
        let settings = json!({"url": "https://a", "ca": ca});
        assert_eq!(mistakes("ext-authz", &settings), ["settings.ca"], "{ca}");
    }
    let settings = json!({"url": "https://a", "ca": "secret:internal-ca"});
    assert_eq!(
        reference_fields("ext-authz", &settings),
        ["settings.ca secret/internal-ca"]
    );
    let settings = json!({
        "url": "http://a", "context": {"a": "b"}, "send_identity": true, "challenge": "",
        "body": {"max_bytes": 0, "timeout_ms": 0},
    });
    let expected = [
        "settings.context",
        "settings.send_identity",
        "settings.challenge",
        "settings.body.max_bytes",
        "settings.body.timeout_ms",
    ];
    assert_eq!(mistakes("ext-authz", &settings), expected);
    let path = json!({"url": "grpc://a/check"});
    assert_eq!(mistakes("ext-authz", &path), ["settings.url"]);
}

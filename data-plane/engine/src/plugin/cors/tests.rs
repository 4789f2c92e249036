use serde_json::{Value, json};

use crate::plugin::tests::{Request, mistakes, plugin};

const APP: &str = "https://app.example.com";

fn preflight(origin: &str) -> Request {
    Request::get("/")
        .method("OPTIONS")
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "x-a, x-b")
}

fn settings() -> Value {
    json!({"origins": [APP, "https://*.example.org"], "origin_regexes": ["http://localhost:[0-9]+"],
        "methods": ["GET", "PUT"], "credentials": true, "expose": ["x-request-id"]})
}

#[tokio::test]
async fn a_preflight_from_an_allowed_origin_is_answered_with_what_is_allowed() {
    let cors = plugin("cors", &settings());
    let answer = preflight(APP).answer(&cors).await.expect("it is answered");
    let field = |name: &str| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap())
    };
    assert_eq!(answer.status(), 204);
    assert_eq!(field("access-control-allow-origin"), Some(APP));
    assert_eq!(field("access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(field("access-control-allow-headers"), Some("x-a, x-b"));
    assert_eq!(field("access-control-allow-credentials"), Some("true"));
    assert_eq!(field("access-control-max-age"), Some("600"));
    assert!(field("vary").is_some_and(|vary| vary.contains("origin")));
}

#[tokio::test]
async fn only_allowed_origins_get_allow_fields() {
    let cors = plugin("cors", &settings());
    for (origin, allowed) in [
        (APP, true),
        ("https://a.example.org", true),
        ("https://a.b.example.org", true),
        ("http://localhost:3000", true),
        ("https://example.org", false),
        ("https://.example.org", false),
        ("https://evil.com/.example.org", false),
        ("https://evilexample.org", false),
        ("http://localhost:3000.evil.com", false),
        ("https://app.example.com.evil.com", false),
        ("http://app.example.com", false),
        ("null", false),
    ] {
        let answer = preflight(origin)
            .answer(&cors)
            .await
            .expect("it is answered");
        let name = "access-control-allow-origin";
        assert_eq!(answer.headers().contains_key(name), allowed, "{origin}");
        let sent = Request::get("/").header("origin", origin);
        let response = sent.response(&cors, &[]).await;
        assert_eq!(response.contains_key(name), allowed, "{origin}");
    }
}

#[tokio::test]
async fn fields_of_the_upstream_are_replaced() {
    let cors = plugin("cors", &settings());
    let upstream = [
        ("access-control-allow-origin", "*"),
        ("vary", "accept-encoding"),
    ];
    let response = Request::get("/")
        .header("origin", APP)
        .response(&cors, &upstream)
        .await;
    assert_eq!(response["access-control-allow-origin"], APP);
    assert_eq!(response["access-control-expose-headers"], "x-request-id");
    let vary: Vec<_> = response.get_all("vary").iter().collect();
    assert_eq!(vary, ["accept-encoding", "origin"]);
    let other = Request::get("/").header("origin", "https://evil.com");
    let response = other.response(&cors, &upstream).await;
    assert!(!response.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn with_all_origins_the_answer_is_the_same_for_all() {
    let cors = plugin("cors", &json!({"origins": ["*"]}));
    let response = Request::get("/")
        .header("origin", APP)
        .response(&cors, &[])
        .await;
    assert_eq!(response["access-control-allow-origin"], "*");
    assert!(!response.contains_key("vary"));
}

#[test]
fn what_browsers_would_not_accept_is_refused() {
    let all_with_credentials = json!({"origins": ["*"], "credentials": true});
    assert_eq!(
        mistakes("cors", &all_with_credentials),
        ["settings.origins[0]"]
    );
    let origins = json!({"origins": ["app.example.com", "https://a.com/x", "https://a.*.com"]});
    let expected = [
        "settings.origins[0]",
        "settings.origins[1]",
        "settings.origins[2]",
    ];
    assert_eq!(mistakes("cors", &origins), expected);
    let others = json!({"origin_regexes": ["("], "methods": ["G T"], "headers": ["a b"], "max_age_seconds": 90_000});
    let expected = [
        "settings.origin_regexes[0]",
        "settings.methods[0]",
        "settings.headers[0]",
        "settings.max_age_seconds",
    ];
    assert_eq!(mistakes("cors", &others), expected);
    assert_eq!(mistakes("cors", &json!({})), ["settings.origins"]);
}

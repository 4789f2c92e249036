//! Which requests pass, by what the browser says of them.

use serde_json::json;

use crate::plugin::tests::{Request, mistakes, plugin};

const NO: Option<&str> = Some("cross_site");

#[tokio::test]
async fn what_the_browser_says_of_the_page_decides() {
    let csrf = plugin("csrf", &json!({"allowed_origins": ["https://app.test"]}));
    let own = ("origin", "http://example.com");
    let cookie = ("cookie", "a=b");
    for (method, fields, code) in [
        ("GET", vec![cookie, ("sec-fetch-site", "cross-site")], None),
        ("POST", vec![("sec-fetch-site", "cross-site")], None),
        ("POST", vec![cookie, ("sec-fetch-site", "cross-site")], NO),
        ("POST", vec![cookie, ("sec-fetch-site", "same-site")], NO),
        (
            "POST",
            vec![cookie, ("sec-fetch-site", "same-origin")],
            None,
        ),
        ("POST", vec![cookie, ("sec-fetch-site", "none")], None),
        (
            "POST",
            vec![cookie, ("sec-fetch-site", "cross-site"), own],
            NO,
        ),
        ("DELETE", vec![cookie, own], None),
        (
            "DELETE",
            vec![cookie, ("host", "example.com:8080"), own],
            NO,
        ),
        (
            "POST",
            vec![cookie, ("origin", "http://example.com:80")],
            None,
        ),
        ("POST", vec![cookie, ("origin", "https://example.com")], NO),
        (
            "POST",
            vec![cookie, ("origin", "http://example.com.evil.test")],
            NO,
        ),
        ("POST", vec![cookie, ("origin", "null")], NO),
        (
            "POST",
            vec![cookie, own, ("origin", "http://evil.test")],
            NO,
        ),
        ("POST", vec![cookie], NO),
        (
            "POST",
            vec![
                cookie,
                ("origin", "https://app.test"),
                ("sec-fetch-site", "cross-site"),
            ],
            None,
        ),
        (
            "GET",
            vec![
                cookie,
                ("origin", "http://evil.test"),
                ("sec-websocket-version", "13"),
            ],
            NO,
        ),
        (
            "GET",
            vec![cookie, own, ("sec-websocket-version", "13")],
            None,
        ),
    ] {
        let mut request = Request::get("/").method(method);
        for (name, value) in &fields {
            request = request.header(name, value);
        }
        assert_eq!(request.refusal(&csrf).await, code, "{method} {fields:?}");
    }
}

#[tokio::test]
async fn each_exemption_can_be_given_or_taken() {
    let post = || Request::get("/").method("POST");
    let cases = [
        (
            json!({"allow_same_site": true}),
            post()
                .header("cookie", "a=b")
                .header("sec-fetch-site", "same-site"),
            None,
        ),
        (
            json!({"allow_missing": true}),
            post().header("cookie", "a=b"),
            None,
        ),
        (
            json!({"without_cookie": true}),
            post().header("sec-fetch-site", "cross-site"),
            NO,
        ),
    ];
    for (settings, request, code) in cases {
        let refused = request.refusal(&plugin("csrf", &settings)).await;
        assert_eq!(refused, code, "{settings}");
    }
}

#[test]
fn an_allowed_origin_must_be_written_as_browsers_write_it() {
    for origin in [
        "app.test",
        "https://app.test/",
        "https://App.test",
        "null",
        "https://*.test",
    ] {
        let found = mistakes("csrf", &json!({"allowed_origins": [origin]}));
        assert_eq!(found, ["settings.allowed_origins[0]"], "{origin}");
    }
}

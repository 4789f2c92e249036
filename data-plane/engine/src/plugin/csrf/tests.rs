//! Which requests pass, by what the browser says of them.

use serde_json::json;

use crate::plugin::tests::{Request, mistakes, plugin};

const NO: Option<&str> = Some("cross_site");

/// Method, fields, and the code of the refusal.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
);

const OWN: (&str, &str) = ("origin", "http://example.com");
const COOKIE: (&str, &str) = ("cookie", "a=b");
const CASES: &[Case] = &[
    ("GET", &[COOKIE, ("sec-fetch-site", "cross-site")], None),
    ("POST", &[("sec-fetch-site", "cross-site")], None),
    ("POST", &[COOKIE, ("sec-fetch-site", "cross-site")], NO),
    ("POST", &[COOKIE, ("sec-fetch-site", "same-site")], NO),
    ("POST", &[COOKIE, ("sec-fetch-site", "same-origin")], None),
    ("POST", &[COOKIE, ("sec-fetch-site", "none")], None),
    ("POST", &[COOKIE, ("sec-fetch-site", "cross-site"), OWN], NO),
    ("DELETE", &[COOKIE, OWN], None),
    ("DELETE", &[COOKIE, ("host", "example.com:8080"), OWN], NO),
    ("POST", &[COOKIE, ("origin", "http://example.com:80")], None),
    ("POST", &[COOKIE, ("origin", "https://example.com")], NO),
    (
        "POST",
        &[COOKIE, ("origin", "http://example.com.evil.test")],
        NO,
    ),
    ("POST", &[COOKIE, ("origin", "null")], NO),
    ("POST", &[COOKIE, OWN, ("origin", "http://evil.test")], NO),
    ("POST", &[COOKIE], NO),
    (
        "POST",
        &[
            COOKIE,
            ("origin", "https://app.test"),
            ("sec-fetch-site", "cross-site"),
        ],
        None,
    ),
    (
        "GET",
        &[
            COOKIE,
            ("origin", "http://evil.test"),
            ("sec-websocket-version", "13"),
        ],
        NO,
    ),
    ("GET", &[COOKIE, OWN, ("sec-websocket-version", "13")], None),
];

#[tokio::test]
async fn what_the_browser_says_of_the_page_decides() {
    let csrf = plugin("csrf", &json!({"allowed_origins": ["https://app.test"]}));
    for (method, fields, code) in CASES {
        let mut request = Request::get("/").method(method);
        for (name, value) in *fields {
            request = request.header(name, value);
        }
        assert_eq!(request.refusal(&csrf).await, *code, "{method} {fields:?}");
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

//! What browsers are told, and what settings cannot be.

use serde_json::json;

use crate::plugin::tests::{Request, mistakes, plugin};

#[tokio::test]
async fn what_the_upstream_set_stays_unless_it_is_to_be_replaced() {
    let upstream = [("x-frame-options", "SAMEORIGIN"), ("server", "x/1")];
    for (replace, frame) in [(false, "SAMEORIGIN"), (true, "DENY")] {
        let settings = json!({"replace": replace, "remove": ["server"],
            "content_security_policy_report_only": "default-src 'self'"});
        let plugin = plugin("security-headers", &settings);
        let seen = Request::get("/").response(&plugin, &upstream).await;
        for (name, value) in [
            ("x-frame-options", frame),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("content-security-policy-report-only", "default-src 'self'"),
        ] {
            assert_eq!(seen[name], value);
        }
        assert_eq!(seen.len(), 4, "{seen:?}");
    }
}

#[tokio::test]
async fn strict_transport_security_is_for_tls_alone() {
    let settings = json!({"hsts": {"include_subdomains": true, "preload": true}});
    let plugin = plugin("security-headers", &settings);
    let name = "strict-transport-security";
    let plain = Request::get("/").response(&plugin, &[]).await;
    assert!(!plain.contains_key(name));
    let mut secure = Request::get("/");
    secure.context.client.secure = true;
    let seen = secure.response(&plugin, &[]).await;
    assert_eq!(seen[name], "max-age=31536000; includeSubDomains; preload");
}

#[test]
fn what_no_browser_or_message_could_do_with_is_a_mistake() {
    for (settings, field) in [
        (json!({"hsts": {"preload": true}}), "settings.hsts.preload"),
        (
            json!({"content_security_policy": "a\nb"}),
            "settings.content_security_policy",
        ),
        (json!({"remove": ["content-length"]}), "settings.remove[0]"),
        (json!({"remove": ["a b"]}), "settings.remove[0]"),
        (json!({"frame": "sometimes"}), "settings.frame"),
    ] {
        assert_eq!(
            mistakes("security-headers", &settings),
            [field],
            "{settings}"
        );
    }
}

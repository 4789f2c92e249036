//! What is refused, and with which code.

use serde_json::{Value, json};

use crate::plugin::{
    Answer, Seen, WantsBody, admit, admit_body,
    tests::{Request, mistakes, plugin},
};

fn sent(method: &str, target: &str, fields: &[(&str, &str)]) -> Request {
    let mut request = Request::get(target).method(method);
    request.context.has_body = method == "POST";
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request
}

#[tokio::test]
async fn each_bound_on_the_head_has_its_answer() {
    let json = ("content-type", "application/json; charset=utf-8");
    for (settings, request, code) in [
        (json!({"methods": ["GET"]}), sent("GET", "/", &[]), None),
        (
            json!({"methods": ["GET"]}),
            sent("POST", "/", &[]),
            Some("method_not_allowed"),
        ),
        (json!({"max_uri_bytes": 5}), sent("GET", "/ab?c", &[]), None),
        (
            json!({"max_uri_bytes": 4}),
            sent("GET", "/ab?c", &[]),
            Some("target_too_long"),
        ),
        (
            json!({"max_query_bytes": 1}),
            sent("GET", "/ab?cd", &[]),
            Some("target_too_long"),
        ),
        (
            json!({"max_query_parameters": 2}),
            sent("GET", "/?a&b&&", &[]),
            None,
        ),
        (
            json!({"max_query_parameters": 2}),
            sent("GET", "/?a&b&c", &[]),
            Some("target_too_long"),
        ),
        (
            json!({"max_headers": 1}),
            sent("GET", "/", &[("a", "1"), ("a", "2")]),
            Some("headers_too_large"),
        ),
        (
            json!({"max_header_bytes": 3}),
            sent("GET", "/", &[("a", "12")]),
            None,
        ),
        (
            json!({"max_header_bytes": 3}),
            sent("GET", "/", &[("a", "123")]),
            Some("headers_too_large"),
        ),
        (
            json!({"content_types": ["application/json"]}),
            sent("GET", "/", &[]),
            None,
        ),
        (
            json!({"content_types": ["application/json"]}),
            sent("POST", "/", &[json]),
            None,
        ),
        (
            json!({"content_types": ["application/*"]}),
            sent("POST", "/", &[json]),
            None,
        ),
        (
            json!({"content_types": ["text/plain"]}),
            sent("POST", "/", &[json]),
            Some("unsupported_media_type"),
        ),
        (
            json!({"content_types": ["application/json"]}),
            sent("POST", "/", &[]),
            Some("unsupported_media_type"),
        ),
        (
            json!({"content_types": ["application/json"]}),
            sent("POST", "/", &[json, json]),
            Some("unsupported_media_type"),
        ),
        (
            json!({"max_body_bytes": 9}),
            sent("POST", "/", &[("content-length", "10")]),
            Some("body_too_large"),
        ),
        (
            json!({"json": {"max_bytes": 9}}),
            sent("POST", "/", &[json, ("content-length", "10")]),
            Some("body_too_large"),
        ),
        (
            json!({"json": {}}),
            sent("POST", "/", &[json, ("content-encoding", "gzip")]),
            Some("unsupported_media_type"),
        ),
    ] {
        let refused = request.refusal(&plugin("request-guard", &settings)).await;
        assert_eq!(refused, code, "{settings}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_would_be_accepted() {
    let settings =
        json!({"methods": ["GET", "POST"], "content_types": ["application/json", "image/*"]});
    let guard = plugin("request-guard", &settings);
    let refused = sent("PUT", "/", &[]).rejection(&guard).await.unwrap();
    assert_eq!(refused.headers[0].1, "GET, POST");
    let refused = sent("POST", "/", &[]).rejection(&guard).await.unwrap();
    assert_eq!(refused.headers[0].1, "application/json, image/*");
}

/// What becomes of a body that is held back.
async fn held(
    settings: &Value,
    media: &str,
    shadow: bool,
    body: Seen<'_>,
) -> (Vec<WantsBody>, Option<&'static str>, usize) {
    use crate::plugin::{
        Registry,
        tests::{build, resource},
    };
    let mut resource = resource("request-guard", settings);
    if shadow {
        resource.mode = gatewright_proto::v1::Mode::Shadow.into();
    }
    let guard = build(&Registry::default(), &resource).unwrap();
    let request = sent("POST", "/", &[("content-type", media)]);
    let mut context = request.to(&[guard]);
    let (ran, answer) = admit(&mut context).await;
    assert!(answer.is_none());
    let wants = ran.wants.iter().map(|(_, wants)| *wants).collect();
    let code = match admit_body(&ran, &mut context, body).await {
        Some(Answer::Reject(rejection)) => Some(rejection.code.as_str()),
        _ => None,
    };
    (wants, code, context.decisions.len())
}

#[tokio::test]
async fn json_is_looked_at_and_other_bodies_are_only_counted() {
    let settings =
        json!({"max_body_bytes": 100, "json": {"max_bytes": 50, "max_depth": 1, "timeout_ms": 7}});
    let whole = [WantsBody::Whole {
        max_bytes: 50,
        timeout_ms: 7,
    }];
    for (media, body, code) in [
        ("application/json", Seen::Whole(b"[1]"), None),
        (
            "application/problem+JSON;a=b",
            Seen::Whole(b"[[1]]"),
            Some("invalid_body"),
        ),
        (
            "text/plain, application/json",
            Seen::Whole(b"[1"),
            Some("invalid_body"),
        ),
        ("application/json", Seen::Whole(b""), None),
        (
            "application/json",
            Seen::Whole(&[b' '; 51]),
            Some("body_too_large"),
        ),
        (
            "application/json",
            Seen::TooLong(b""),
            Some("body_too_large"),
        ),
        ("application/json", Seen::Late, Some("request_timeout")),
    ] {
        let (wants, refused, decisions) = held(&settings, media, false, body).await;
        assert_eq!(wants, whole, "{media}");
        assert_eq!(refused, code, "{body:?}");
        let (_, refused, shadowed) = held(&settings, media, true, body).await;
        assert_eq!((refused, shadowed), (None, decisions), "{body:?}");
    }
    let (wants, ..) = held(&settings, "text/plain", false, Seen::Whole(b"[[1]]")).await;
    assert_eq!(wants, [WantsBody::AtMost(100)]);
    let (wants, ..) = held(&settings, "text/plain", true, Seen::Whole(b"[[1]]")).await;
    assert_eq!(wants, []);
}

#[test]
fn every_setting_that_cannot_be_is_named() {
    let settings = json!({
        "methods": ["get"], "content_types": ["json", "*/*"], "max_headers": 0,
        "json": {"max_depth": 10_001, "max_bytes": 0},
    });
    let expected = [
        "settings.max_headers",
        "settings.methods[0]",
        "settings.content_types[0]",
        "settings.content_types[1]",
        "settings.json.max_depth",
        "settings.json.max_bytes",
    ];
    assert_eq!(mistakes("request-guard", &settings), expected);
}

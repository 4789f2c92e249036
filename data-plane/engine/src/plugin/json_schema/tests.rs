use serde_json::{Value, json};

use crate::{
    Rejection,
    plugin::{
        Answer, Seen, admit, admit_body,
        tests::{Request, mistakes, plugin},
    },
};

/// What is answered to a request with this body.
async fn answer(
    settings: &Value,
    method: &str,
    media: &str,
    body: Option<&str>,
) -> Option<Rejection> {
    let plugin = plugin("json-schema", settings);
    let request = Request::get("/")
        .method(method)
        .header("content-type", media);
    let mut request = request.to(&[plugin]);
    request.has_body = body.is_some();
    let (ran, answer) = admit(&mut request).await;
    let answer = match (answer, body) {
        (None, Some(body)) if ran.wants_body() => {
            admit_body(&ran, &mut request, Seen::Whole(body.as_bytes())).await
        }
        (answer, _) => answer,
    };
    answer.map(|answer| match answer {
        Answer::Reject(rejection) => rejection,
        Answer::Respond(_) => panic!("it never answers otherwise"),
    })
}

#[tokio::test]
async fn bodies_that_the_schema_does_not_allow_are_refused_with_their_mistakes() {
    let settings = json!({"schema": {"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}}});
    let json = "application/json";
    for (method, media, body, expected) in [
        ("POST", json, Some(r#"{"a": 1, "b": 2}"#), ""),
        ("POST", json, Some(r#"{"b": "2"}"#), "schema_violation"),
        ("POST", json, Some(""), "schema_violation"),
        ("POST", json, None, "schema_violation"),
        ("GET", json, None, ""),
        ("GET", json, Some(""), ""),
        ("GET", json, Some("[]"), "schema_violation"),
        ("PUT", json, Some(r#"{"a": 1, "a": 2}"#), "invalid_body"),
        ("PUT", json, Some("{"), "invalid_body"),
        (
            "PUT",
            "application/problem+json",
            Some("[]"),
            "schema_violation",
        ),
        ("PUT", "text/plain", Some("{}"), "unsupported_media_type"),
    ] {
        let found = answer(&settings, method, media, body).await;
        let code = found.map_or("", |it| it.code.as_str());
        assert_eq!(code, expected, "{method} {media} {body:?}");
    }
    let found = answer(&settings, "POST", json, Some(r#"{"b": "2"}"#)).await;
    let response = found.unwrap().into_response("r-1");
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    let expected = json!([
        {"in": "body", "pointer": "/a", "reason": "is required"},
        {"in": "body", "pointer": "/b", "reason": "must be an integer"},
    ]);
    assert_eq!(problem["errors"], expected);
}

#[tokio::test]
async fn a_check_that_would_take_too_long_is_refused() {
    let settings = json!({"schema": {"items": {"minimum": 0}}, "body": {"max_steps": 1000}});
    let body = json!(vec![1; 2000]).to_string();
    let found = answer(&settings, "POST", "application/json", Some(&body)).await;
    assert_eq!(found.unwrap().reason, Some("too_much"));
}

#[test]
fn mistakes_in_settings_are_found() {
    for (settings, field) in [
        (json!({}), "settings.schema"),
        (
            json!({"schema": {"$schema": "x"}}),
            "settings.schema.$schema",
        ),
        (
            json!({"schema": {"properties": {"a": {"anyOf": [{}, {"type": "x"}]}}}}),
            "settings.schema.properties.a.anyOf[1].type",
        ),
        (
            json!({"schema": {}, "required_for": ["post"]}),
            "settings.required_for[0]",
        ),
        (
            json!({"schema": {}, "body": {"max_bytes": 0}}),
            "settings.body.max_bytes",
        ),
        (
            json!({"schema": {}, "body": {"max_steps": 1}}),
            "settings.body.max_steps",
        ),
    ] {
        assert_eq!(mistakes("json-schema", &settings), [field], "{settings}");
    }
}

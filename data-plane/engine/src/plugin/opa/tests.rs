use serde_json::json;

use super::decision::Decision;
use crate::plugin::tests::{Request, mistakes, plugin};

#[test]
fn only_true_allows_and_what_cannot_be_understood_is_no_decision() {
    for (answer, expected) in [
        (json!({"result": true}), Some((true, 403))),
        (json!({"result": false}), Some((false, 403))),
        (json!({}), Some((false, 403))),
        (json!({"result": {}}), Some((false, 403))),
        (json!({"result": {"allow": true}}), Some((true, 403))),
        (
            json!({"result": {"allow": true, "status": 200}}),
            Some((true, 200)),
        ),
        (json!({"result": {"status": 401}}), Some((false, 401))),
        (json!({"result": {"status": 200}}), None),
        (json!({"result": {"status": 99}}), None),
        (json!({"result": {"status": "403"}}), None),
        (json!({"result": {"allow": "true"}}), None),
        (json!({"result": {"allow": 1}}), None),
        (json!({"result": "true"}), None),
        (json!({"result": [true]}), None),
        (json!({"result": {"headers": {"a b": "c"}}}), None),
        (json!({"result": {"headers": {"a": "c\r\nd: e"}}}), None),
        (json!({"result": {"headers": []}}), None),
        (json!({"result": {"reason": 7}}), None),
        (json!([true]), None),
        (json!(true), None),
    ] {
        let decision = Decision::read(answer.to_string().as_bytes());
        let decision = decision.map(|it| (it.allow, it.status.as_u16()));
        assert_eq!(decision, expected, "{answer}");
    }
    assert!(Decision::read(b"").is_none());
    assert!(Decision::read(b"{\"result\": true").is_none());
}

#[test]
fn fields_have_one_value_or_several_and_do_not_frame() {
    let answer = json!({"result": {"allow": true, "headers": {
        "x-role": ["a", "b"], "x-level": 7, "content-length": "0", "Host": "evil",
    }}});
    let decision = Decision::read(answer.to_string().as_bytes()).unwrap();
    let mut fields: Vec<String> = decision
        .headers
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
        .collect();
    fields.sort();
    assert_eq!(fields, ["x-level=7", "x-role=a", "x-role=b"]);
}

#[tokio::test]
async fn without_anybody_to_ask_requests_are_refused() {
    let opa = plugin("opa", &json!({"url": "http://127.0.0.1:1/v1/data/a"}));
    let refused = Request::get("/").refusal(&opa).await;
    assert_eq!(refused, Some("authorizer_unavailable"));
}

#[test]
fn mistakes_are_named() {
    let settings = json!({"url": "grpc://a/b", "timeout_ms": 0, "upstream_headers": ["host"]});
    let expected = [
        "settings.url",
        "settings.timeout_ms",
        "settings.upstream_headers[0]",
    ];
    assert_eq!(mistakes("opa", &settings), expected);
}

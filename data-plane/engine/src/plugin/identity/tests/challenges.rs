//! What `WWW-Authenticate` says.

use std::sync::Arc;

use serde_json::json;

use super::{all, any, asking, method, with};
use crate::plugin::{Answer, Instance};

/// The challenges that a refusal comes with.
async fn challenges(plugins: &[Arc<Instance>], fields: &[(&str, &str)]) -> Vec<String> {
    match with(fields).through(plugins).await.answer {
        Some(Answer::Reject(rejection)) => rejection
            .headers
            .iter()
            .map(|(_, value)| value.to_str().unwrap().to_owned())
            .collect(),
        _ => panic!("it is refused"),
    }
}

#[tokio::test]
async fn every_method_is_challenged_for_and_only_the_refused_one_is_told_of_an_error() {
    let asks = [asking(any(&["a", "b"]), &json!({"realm": "shop"}))];
    let challenges = async |fields: &[(&str, &str)]| challenges(&asks, fields).await;
    assert_eq!(
        challenges(&[]).await,
        ["a realm=\"shop\"", "b realm=\"shop\""]
    );
    let refused = ["a realm=\"shop\"", "b realm=\"shop\", error=\"wrong\""];
    assert_eq!(challenges(&[("b", "wrong")]).await, refused);
    assert_eq!(challenges(&[("b", "later:wrong")]).await, refused);
    // Where the gateway is at fault, another credential would not help.
    assert_eq!(challenges(&[("b", "broken")]).await, [""; 0]);
}

#[tokio::test]
async fn where_credentials_fail_only_together_no_method_is_told_of_an_error() {
    let asks = [asking(all(&["a", "b"]), &json!({"realm": "shop"}))];
    let cases: [&[(&str, &str)]; 3] = [
        &[("a", "alice")],
        &[("b", "alice")],
        &[("a", "alice"), ("b", "bob")],
    ];
    for fields in cases {
        let challenges = challenges(&asks, fields).await;
        assert_eq!(
            challenges,
            ["a realm=\"shop\"", "b realm=\"shop\""],
            "{fields:?}"
        );
    }
    let beside = ["a", "b"].map(|name| asking(method(name), &json!({"realm": "shop"})));
    let challenges = challenges(&beside, &[("a", "alice"), ("b", "bob")]).await;
    assert_eq!(challenges, ["b realm=\"shop\""]);
}

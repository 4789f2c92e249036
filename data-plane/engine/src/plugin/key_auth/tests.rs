use serde_json::{Value, json};

use crate::plugin::tests::{Request, consumer, mistakes, plugin, reference_fields};

/// A request to a gateway that knows two consumers and their keys.
fn request(target: &str) -> Request {
    Request::get(target)
        .knowing(consumer("alice", &["gold", "staff"]), "alice-key")
        .knowing(consumer("bob", &[]), "bob-key")
        .knowing(consumer("nobody", &["guests"]), "unused-key")
}

fn everywhere() -> Value {
    json!({"headers": ["x-api-key"], "query": ["api_key"], "cookies": ["key"]})
}

#[tokio::test]
async fn a_known_key_says_who_the_consumer_is_wherever_it_is() {
    let auth = plugin("key-auth", &everywhere());
    for request in [
        request("/").header("x-api-key", "alice-key"),
        request("/?a=1&api_key=alice%2Dkey&b"),
        request("/").header("cookie", "a=1; key=\"alice-key\"; b=2"),
        request("/?api_key=alice-key").header("x-api-key", "alice-key"),
    ] {
        let forwarded = request.forwarded(&auth).await;
        let consumer = forwarded.consumer.expect("it is known");
        assert_eq!(&*consumer.name, "alice");
        assert!(forwarded.credential.is_some());
    }
}

#[tokio::test]
async fn everything_but_one_known_key_is_refused() {
    let auth = plugin("key-auth", &everywhere());
    let long = "k".repeat(513);
    for request in [
        request("/"),
        request("/").header("x-api-key", "wrong-key"),
        request("/").header("x-api-key", ""),
        request("/").header("x-api-key", &long),
        request("/?api_key=bob-key").header("x-api-key", "alice-key"),
        request("/")
            .header("x-api-key", "alice-key")
            .header("x-api-key", "wrong-key"),
        request("/?API_KEY=alice-key"),
    ] {
        let rejection = request.rejection(&auth).await.expect("it is refused");
        assert_eq!(rejection.code.as_str(), "unauthorized");
        let (name, value) = &rejection.headers[0];
        assert_eq!(name, "www-authenticate");
        assert_eq!(value, "ApiKey realm=\"gatewright\"");
    }
}

#[tokio::test]
async fn the_upstream_does_not_see_the_key() {
    let auth = plugin("key-auth", &everywhere());
    let sent = request("/?a=1&api_key=alice-key&b=%20")
        .header("x-api-key", "alice-key")
        .header("cookie", "a=1; key=alice-key; b=2");
    let forwarded = sent.forwarded(&auth).await;
    assert!(!forwarded.headers.contains_key("x-api-key"));
    assert_eq!(forwarded.query.as_deref(), Some("a=1&b=%20"));
    assert_eq!(forwarded.headers["cookie"], "a=1; b=2");
    let only = request("/?api_key=alice-key").header("cookie", "key=alice-key");
    let forwarded = only.forwarded(&auth).await;
    assert_eq!(forwarded.query, None);
    assert!(!forwarded.headers.contains_key("cookie"));
}

#[tokio::test]
async fn the_key_is_passed_on_if_asked_for() {
    let auth = plugin("key-auth", &json!({"hide_credential": false}));
    let forwarded = request("/")
        .header("x-api-key", "alice-key")
        .forwarded(&auth)
        .await;
    assert_eq!(forwarded.headers["x-api-key"], "alice-key");
}

#[tokio::test]
async fn the_upstream_is_told_who_it_is_and_not_who_the_client_says() {
    let auth = plugin("key-auth", &json!({}));
    let alice = request("/")
        .header("x-api-key", "alice-key")
        .header("x-consumer-name", "root");
    let forwarded = alice.forwarded(&auth).await;
    assert_eq!(forwarded.headers["x-consumer-name"], "alice");
    assert_eq!(forwarded.headers["x-consumer-groups"], "gold,staff");
    let bob = request("/")
        .header("x-api-key", "bob-key")
        .header("x-consumer-groups", "admins");
    assert!(
        !bob.forwarded(&auth)
            .await
            .headers
            .contains_key("x-consumer-groups")
    );
}

#[tokio::test]
async fn without_any_key_it_is_the_anonymous_consumer_and_a_wrong_key_is_still_refused() {
    let auth = plugin("key-auth", &json!({"anonymous": "nobody"}));
    let forwarded = request("/").forwarded(&auth).await;
    assert_eq!(&*forwarded.consumer.expect("it is known").name, "nobody");
    assert!(forwarded.credential.is_none());
    let wrong = request("/").header("x-api-key", "wrong-key");
    assert_eq!(wrong.refusal(&auth).await, Some("unauthorized"));
    let missing = plugin("key-auth", &json!({"anonymous": "deleted"}));
    assert_eq!(request("/").refusal(&missing).await, Some("unauthorized"));
}

#[tokio::test]
async fn two_of_them_agree_on_one_consumer() {
    let both = [
        plugin(
            "key-auth",
            &json!({"headers": ["x-first"], "anonymous": "nobody"}),
        ),
        plugin("key-auth", &json!({"headers": ["x-second"]})),
    ];
    let first = request("/")
        .header("x-first", "alice-key")
        .through(&both)
        .await;
    assert_eq!(first.refusal(), None);
    assert_eq!(first.context.headers["x-consumer-name"], "alice");
    let second = request("/")
        .header("x-second", "bob-key")
        .through(&both)
        .await;
    assert_eq!(&*second.context.consumer.expect("it is known").name, "bob");
    let different = request("/")
        .header("x-first", "alice-key")
        .header("x-second", "bob-key");
    assert_eq!(
        different.through(&both).await.refusal(),
        Some("unauthorized")
    );
    assert_eq!(
        request("/").through(&both).await.refusal(),
        Some("unauthorized")
    );
}

#[test]
fn mistakes_are_named() {
    let settings =
        json!({"headers": ["a b", "cookie"], "query": [""], "cookies": ["a=b"], "realm": "a\"b"});
    let expected = [
        "settings.headers[0]",
        "settings.headers[1]",
        "settings.query[0]",
        "settings.cookies[0]",
        "settings.realm",
    ];
    assert_eq!(mistakes("key-auth", &settings), expected);
    assert_eq!(
        mistakes("key-auth", &json!({"headers": []})),
        ["settings.headers"]
    );
    let references = reference_fields("key-auth", &json!({"anonymous": "nobody"}));
    assert_eq!(references, ["settings.anonymous consumer/nobody"]);
}

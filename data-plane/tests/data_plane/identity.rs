//! Who calls, over sockets.

use std::time::SystemTime;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatewright_engine::password::PasswordHash;
use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::gateway::{Gateway, body, eventually, status};

/// A route to nowhere that answers by itself, and a plugin in front of it.
fn guarded(kind: &str, settings: &Value) -> Vec<(Kind, Value)> {
    let answer = json!({"status": 200, "body": "inside"});
    vec![
        (Kind::Route, json!({"name": "r", "direct_response": answer})),
        (Kind::Consumer, json!({"name": "alice", "groups": ["gold"]})),
        (Kind::ConsumerGroup, json!({"name": "gold"})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": kind, "attach": {"route": "r"}, "settings": settings}),
        ),
    ]
}

async fn ask(gateway: &Gateway, fields: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
    gateway.raw(request.as_bytes()).await
}

fn basic(login: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(login))
}

fn password(name: &str, username: &str, password: &str) -> (Kind, Value) {
    let hash = PasswordHash::of(password.as_bytes());
    (
        Kind::Credential,
        json!({"name": name, "consumer": "alice", "type": "basic", "username": username,
            "password_hash": hash.as_str()}),
    )
}

#[tokio::test]
async fn a_user_name_and_a_password_open_a_route_until_they_change() {
    let mut gateway = Gateway::start().await;
    let mut resources = guarded("basic-auth", &json!({"realm": "shop"}));
    resources.push(password("login", "alice", "correct horse"));
    gateway.apply(&resources);
    let without = ask(&gateway, "").await;
    assert_eq!(status(&without), 401);
    let challenge = "www-authenticate: Basic realm=\"shop\", charset=\"UTF-8\"";
    assert!(
        without.to_lowercase().contains(&challenge.to_lowercase()),
        "{without}"
    );
    for _ in 0..2 {
        let right = ask(&gateway, &basic("alice:correct horse")).await;
        assert_eq!((status(&right), body(&right)), (200, "inside"));
    }
    assert_eq!(status(&ask(&gateway, &basic("alice:wrong")).await), 401);
    assert_eq!(
        status(&ask(&gateway, &basic("bob:correct horse")).await),
        401
    );
    gateway.apply(&[password("login", "alice", "battery staple")]);
    assert_eq!(
        status(&ask(&gateway, &basic("alice:correct horse")).await),
        401
    );
    assert_eq!(
        status(&ask(&gateway, &basic("alice:battery staple")).await),
        200
    );
}

#[tokio::test]
async fn one_of_several_methods_opens_a_route_and_all_of_them_are_challenged_for() {
    let mut gateway = Gateway::start().await;
    let tree = json!({"any": [{"key-auth": {}}, {"basic-auth": {}}]});
    let mut resources = guarded("authenticate", &tree);
    resources.push(password("login", "alice", "correct horse"));
    let digest = "sha256:9d76bb01e8c2c3b5dc2a6b2b0a9d4f6e5cb0fbbdc3b4f8f0f3d3a2c1b0a99887";
    resources.push((
        Kind::Credential,
        json!({"name": "key", "consumer": "alice", "digest": digest}),
    ));
    gateway.apply(&resources);
    let without = ask(&gateway, "").await.to_lowercase();
    assert_eq!(status(&without), 401);
    assert!(
        without.contains("www-authenticate: apikey realm="),
        "{without}"
    );
    assert!(
        without.contains("www-authenticate: basic realm="),
        "{without}"
    );
    assert_eq!(
        status(&ask(&gateway, &basic("alice:correct horse")).await),
        200
    );
    assert_eq!(status(&ask(&gateway, "X-Api-Key: wrong\r\n").await), 401);
    let both = format!("X-Api-Key: wrong\r\n{}", basic("alice:correct horse"));
    assert_eq!(status(&ask(&gateway, &both).await), 200);
}

#[tokio::test]
async fn a_credential_ends_by_the_clock_without_a_change_of_configuration() {
    let mut gateway = Gateway::start().await;
    let mut resources = guarded("basic-auth", &json!({}));
    let (kind, mut login) = password("login", "alice", "correct horse");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let end = u64::try_from(now.unwrap().as_millis()).unwrap() + 2000;
    login["expires_at_ms"] = end.into();
    resources.push((kind, login));
    gateway.apply(&resources);
    let asked = async || status(&ask(&gateway, &basic("alice:correct horse")).await);
    eventually("it is refused once it has expired", async || {
        asked().await == 401
    })
    .await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    assert!(u64::try_from(now.unwrap().as_millis()).unwrap() >= end);
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_delays_nobody_else() {
    let mut gateway = Gateway::start().await;
    let mut resources = guarded("basic-auth", &json!({}));
    resources.push(password("login", "alice", "correct horse"));
    let answer = json!({"status": 200, "body": "open"});
    resources.push((
        Kind::Route,
        json!({"name": "open", "paths": [{"exact": "/open"}], "direct_response": answer}),
    ));
    gateway.apply(&resources);
    assert_eq!(
        status(&ask(&gateway, &basic("alice:correct horse")).await),
        200
    );
    let gateway = &gateway;
    let flood = futures_util::future::join_all((0..400).map(async |number| {
        let answer = ask(gateway, &basic(&format!("alice:wrong-{number}"))).await;
        status(&answer)
    }));
    let others = async {
        let mut answered = 0;
        for _ in 0..20 {
            assert_eq!(status(&gateway.get("/open").await), 200);
            let remembered = ask(gateway, &basic("alice:correct horse")).await;
            assert_eq!(status(&remembered), 200);
            answered += 1;
        }
        answered
    };
    let (flood, answered) = tokio::join!(flood, others);
    assert_eq!(answered, 20);
    assert!(
        flood.iter().all(|status| [401, 503].contains(status)),
        "{flood:?}"
    );
    assert!(flood.contains(&503), "the queue has a bound");
}

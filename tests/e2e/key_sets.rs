//! Keys that are fetched: rotated, and kept where the endpoint is down, slow, oversized or hostile.

use gatewright_control_plane::store::{self, StoreSettings};
use gatewright_tests::{
    condition::eventually, control_plane::TestControlPlane, database::Postgres,
};
use serde_json::{Value, json};

use crate::{
    endpoint::{Endpoint, Says, answer},
    fetching::Plane,
};

/// Keys of the table of tokens.
fn jwks(names: &[&str]) -> Value {
    let table: Value = serde_json::from_str(include_str!("../jwt/cases.json")).unwrap();
    let sets = table["sets"].as_object().unwrap().values();
    let known: Vec<&Value> = sets
        .filter_map(|set| set["keys"].as_array())
        .flatten()
        .collect();
    let key = |name: &&str| {
        let found = known.iter().find(|key| key["kid"] == **name);
        (*found.unwrap()).clone()
    };
    json!({"keys": names.iter().map(key).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_stay_where_the_endpoint_does_not_answer() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    endpoint.says("/keys", Says::Json(jwks(&["rsa"])));
    plane
        .put("login", json!({"url": endpoint.url("/keys")}))
        .await;
    let rotated = async |expected: &[&str]| {
        eventually("the keys are known", async || {
            plane.kids("login").await == expected
        })
        .await;
    };
    rotated(&["rsa"]).await;
    endpoint.says("/keys", Says::Json(jwks(&["rsa", "ed"])));
    plane.again("login").await;
    rotated(&["ed", "rsa"]).await;
    let before = plane.store.head().await.unwrap().revision;
    for says in [
        Says::Raw(answer("500 Internal Server Error", "")),
        Says::Raw(answer("200 OK", "<!doctype html>")),
        Says::Json(json!({"keys": []})),
    ] {
        endpoint.says("/keys", says);
        let failures = plane.fetched("login").await["failures"].as_u64().unwrap();
        eventually("it is asked again", async || {
            plane.again("login").await;
            plane.fetched("login").await["failures"].as_u64().unwrap() > failures
        })
        .await;
        assert_eq!(plane.kids("login").await, ["ed", "rsa"]);
    }
    // The same keys in another order, with more beside them, are no change.
    let mut same = jwks(&["ed", "rsa"]);
    same["keys"][0]["x5t"] = json!("abc");
    endpoint.says("/keys", Says::Json(same));
    eventually("it is fetched again", async || {
        plane.again("login").await;
        plane.fetched("login").await["failures"] == 0
    })
    .await;
    assert_eq!(plane.store.head().await.unwrap().revision, before);
    let shown = plane.control_plane.admin.get("/v1/key_sets/login").await;
    assert!(!shown.json().as_object().unwrap().contains_key("fetched"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_slow_down_oversized_or_hostile_gives_no_keys_and_says_why() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    let elsewhere = endpoint.url("/elsewhere");
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    let claims_more = "HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n{".to_owned();
    let twice = r#"{"keys":[],"keys":[]}"#;
    let oct =
        json!({"keys": [{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}]});
    let cases = [
        ("slow", Says::Nothing, "no answer in time"),
        ("drips", Says::Raw(claims_more), ""),
        ("endless", Says::Endless, "more than 256 KiB"),
        (
            "redirects",
            Says::Raw(redirect),
            "redirects are not followed",
        ),
        ("down", Says::Raw(String::new()), ""),
        ("twice", Says::Raw(answer("200 OK", twice)), "twice"),
        ("secrets", Says::Json(oct), "a secret"),
        (
            "unchanged",
            Says::Raw("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned()),
            "304",
        ),
    ];
    for (name, says, _) in &cases {
        endpoint.says(&format!("/{name}"), says.clone());
        let url = endpoint.url(&format!("/{name}"));
        plane
            .put(name, json!({"url": url, "timeout_ms": 500}))
            .await;
    }
    for (name, _, reason) in &cases {
        plane.fails(name, reason).await;
        assert!(plane.kids(name).await.is_empty(), "{name}");
    }
    assert!(!endpoint.asked().iter().any(|it| it.contains("/elsewhere")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_says_where_its_keys_are_and_must_be_the_one_that_was_asked() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    let (good, evil) = (endpoint.url("/good"), endpoint.url("/evil"));
    endpoint.says("/keys", Says::Json(jwks(&["rsa"])));
    let configuration = json!({"issuer": good, "jwks_uri": endpoint.url("/keys")});
    let path = "/.well-known/openid-configuration";
    endpoint.says(&format!("/good{path}"), Says::Json(configuration.clone()));
    endpoint.says(&format!("/evil{path}"), Says::Json(configuration));
    let file = json!({"issuer": endpoint.url("/file"), "jwks_uri": "file:///etc/passwd"});
    endpoint.says(&format!("/file{path}"), Says::Json(file));
    plane.put("good", json!({"issuer": good})).await;
    plane.put("evil", json!({"issuer": evil})).await;
    let url = endpoint.url("/file");
    plane.put("file", json!({"issuer": url})).await;
    eventually("the keys are known", async || {
        plane.kids("good").await == ["rsa"]
    })
    .await;
    plane.fails("evil", "another issuer").await;
    plane.fails("file", "jwks_uri").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_have_not_changed_are_not_sent_again() {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    endpoint.says("/keys", Says::Tagged(jwks(&["rsa"]), "\"one\""));
    let url = endpoint.url("/keys");
    plane.put("login", json!({"url": url})).await;
    plane.comes_to_know("login", &["rsa"]).await;
    let before = plane.store.head().await.unwrap().revision;
    let conditional = || {
        let asked = endpoint.asked();
        let conditional = asked
            .iter()
            .filter(|it| it.contains("if-none-match: \"one\""));
        conditional.count()
    };
    eventually("it is asked whether there are others", async || {
        plane.again("login").await;
        conditional() >= 2
    })
    .await;
    let fetched = plane.fetched("login").await;
    assert_eq!(
        (&fetched["failures"], &fetched["error"]),
        (&json!(0), &json!(""))
    );
    assert_eq!(plane.kids("login").await, ["rsa"]);
    assert_eq!(plane.store.head().await.unwrap().revision, before);
    endpoint.says("/keys", Says::Tagged(jwks(&["ed"]), "\"two\""));
    plane.comes_to_know("login", &["ed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_control_planes_one_fetches_and_both_know_the_keys() {
    let (database, endpoint) = (Postgres::create().await, Endpoint::start().await);
    let url = database.url();
    let planes = [
        TestControlPlane::start(&url).await,
        TestControlPlane::start(&url).await,
    ];
    let store = store::open(&url, &StoreSettings::default()).await.unwrap();
    let names: Vec<String> = (0..10).map(|number| format!("set-{number}")).collect();
    for name in &names {
        let set = json!({"url": endpoint.url(&format!("/keys/{name}"))});
        endpoint.says(&format!("/keys/{name}"), Says::Json(jwks(&["rsa"])));
        planes[0]
            .admin
            .put(&format!("/v1/key_sets/{name}"), &set)
            .await;
    }
    let asked = |name: &str| {
        let line = format!("get /keys/{name} ");
        let asked = endpoint.asked();
        asked.iter().filter(|it| it.starts_with(&line)).count()
    };
    for (plane, name) in planes
        .iter()
        .flat_map(|it| names.iter().map(move |name| (it, name)))
    {
        eventually("both know the keys", async || {
            let path = format!("/v1/key_sets/{name}/fetched");
            let fetched = plane.admin.get(&path).await.json();
            fetched["keys"][0]["kid"] == "rsa"
        })
        .await;
    }
    for name in &names {
        assert_eq!(asked(name), 1, "{name}");
        // Keys are there a moment before the claim ends.
        eventually("the fetch is over", async || {
            let row = store.shown_fetch(name).await.unwrap().unwrap();
            row.due_at_ms > row.attempted_at_ms
        })
        .await;
    }
    // The one that is left goes on alone.
    let [first, second] = planes;
    first.stop().await;
    for name in &names {
        endpoint.says(&format!("/keys/{name}"), Says::Json(jwks(&["ed"])));
        store.hasten_fetch(name, 0).await.unwrap();
    }
    for name in &names {
        eventually("the other fetches", async || {
            let path = format!("/v1/key_sets/{name}/fetched");
            second.admin.get(&path).await.json()["keys"][0]["kid"] == "ed"
        })
        .await;
        assert_eq!(asked(name), 2, "{name}");
    }
}

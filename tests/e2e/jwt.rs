//! Tokens, from the issuer's endpoint over a control plane to the requests of a node.

use gatewright_tests::{
    condition::eventually,
    http,
    node::TestNode,
    traffic::Traffic,
    upstream::{Upstream, route},
};
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use crate::{
    endpoint::{Endpoint, Says},
    fetching::Plane,
    signer::{Signer, jwks, now},
};

const ISSUER: &str = "https://login.example.com";

/// A node with the route `/orders`, for tokens of an issuer that says nothing yet.
struct Scene {
    plane: Plane,
    node: TestNode,
    endpoint: Endpoint,
    client: Client,
    _upstream: Upstream,
}

/// What a client saw.
#[derive(Debug)]
struct Seen {
    status: u16,
    challenge: String,
    body: Value,
}

impl Scene {
    async fn start() -> Self {
        let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
        let upstream = Upstream::start().await;
        let urls = [plane.control_plane.url()];
        let node = TestNode::start("node-0", &urls, plane.dir.path()).await;
        plane.control_plane.followed_by(1, 0).await;
        let document = json!({
            "services": [upstream.service()],
            "routes": [route("orders", "/orders")],
            "key_sets": [{"name": "login", "url": endpoint.url("/keys")}],
            "plugins": [{"name": "tokens", "type": "jwt", "attach": {"route": "orders"}, "settings": {
                "providers": [{
                    "key_set": "login", "issuers": [ISSUER], "audiences": ["orders"],
                    "scopes": ["orders/read"],
                }],
                "query": ["access_token"],
                "claims_to_headers": {"sub": "x-user", "email": "x-email"},
            }}],
        });
        plane.control_plane.admin.apply(&document).await;
        Self {
            plane,
            node,
            endpoint,
            client: http::client(),
            _upstream: upstream,
        }
    }

    /// Has the issuer show these keys, and no others, until nodes have them.
    async fn keys(&self, signers: &[&Signer], kids: &[&str]) {
        self.endpoint.says("/keys", Says::Json(jwks(signers)));
        self.plane.comes_to_know("login", kids).await;
        let revision = self.plane.store.head().await.unwrap().revision;
        self.node.serves(revision).await;
    }

    async fn ask(&self, fields: &[(&str, &str)]) -> Seen {
        let url = format!("http://{}/orders", self.node.running.http);
        let mut request = self.client.get(url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map_or("", |it| it.to_str().unwrap()).to_owned();
        Seen {
            status: response.status().as_u16(),
            challenge,
            body: response.json().await.unwrap(),
        }
    }

    async fn shows(&self, token: &str) -> Seen {
        let bearer = format!("Bearer {token}");
        self.ask(&[("authorization", &bearer)]).await
    }
}

/// What a good token says, with more, or something else.
fn claims(more: &Value) -> Value {
    let mut claims =
        json!({"iss": ISSUER, "sub": "u-1", "aud": "orders", "scope": "orders/read orders/write"});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_opens_for_good_tokens_and_for_no_others() {
    let (scene, signer, other) = (Scene::start().await, Signer::new("k1"), Signer::new("k1"));
    let good = signer.token(&claims(&json!({})));
    let early = scene.shows(&good).await;
    assert_eq!(early.status, 503, "{early:?}");
    assert_eq!(early.body["code"], "keys_unavailable");
    assert_eq!(early.challenge, "");
    scene.keys(&[&signer], &["k1"]).await;

    let without = scene.ask(&[]).await;
    assert_eq!(without.status, 401, "{without:?}");
    assert_eq!(without.challenge, "Bearer realm=\"gatewright\"");
    let invalid = "error=\"invalid_token\"";
    let expired = json!({"exp": now() - 3600});
    let scope = "error=\"insufficient_scope\", scope=\"orders/read\"";
    let cases = [
        (
            signer.token(&claims(&expired)),
            401,
            "the token has expired",
        ),
        (
            signer.token(&claims(&json!({"aud": "billing"}))),
            401,
            invalid,
        ),
        (
            signer.token(&claims(&json!({"iss": "https://evil"}))),
            401,
            invalid,
        ),
        (
            signer.token(&claims(&json!({"scope": "orders/write"}))),
            403,
            scope,
        ),
        (other.token(&claims(&json!({}))), 401, invalid),
        ("not-a-token".to_owned(), 401, invalid),
        // The second time what was found may be remembered.
        (good.clone(), 200, ""),
        (good.clone(), 200, ""),
    ];
    for (token, status, challenge) in cases {
        let seen = scene.shows(&token).await;
        assert_eq!(seen.status, status, "{token}: {seen:?}");
        assert!(seen.challenge.contains(challenge), "{token}: {seen:?}");
    }

    // Where there are no keys any more, nothing opens, remembered or not.
    let admin = &scene.plane.control_plane.admin;
    let disabled = json!({"url": scene.endpoint.url("/keys"), "enabled": false});
    let revision = admin.put("/v1/key_sets/login", &disabled).await;
    scene.node.serves(revision).await;
    let closed = scene.shows(&good).await;
    assert_eq!(closed.status, 503, "{closed:?}");
    assert_eq!(closed.body["code"], "keys_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_is_told_what_the_token_says_and_not_what_the_client_made_up() {
    let (scene, signer) = (Scene::start().await, Signer::new("k1"));
    scene.keys(&[&signer], &["k1"]).await;
    let bearer = format!("Bearer {}", signer.token(&claims(&json!({}))));
    let fields = [
        ("authorization", &*bearer),
        ("x-user", "root"),
        ("X-User", "admin"),
        ("x-email", "root@example.com"),
        ("x-consumer-name", "root"),
    ];
    let seen = scene.ask(&fields).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    let headers = &seen.body["headers"];
    assert_eq!(headers["x-user"], "u-1");
    for made_up in ["x-email", "x-consumer-name"] {
        assert!(headers.get(made_up).is_none(), "{made_up} in {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_no_request_notices() {
    let (scene, old, new) = (Scene::start().await, Signer::new("k1"), Signer::new("k2"));
    scene.keys(&[&old], &["k1"]).await;
    let [before, after] = [&old, &new].map(|it| it.token(&claims(&json!({}))));
    let path = |token: &str| format!("/orders?access_token={token}");
    let node = scene.node.running.http;
    let with_old = Traffic::start([node], &path(&before));
    with_old.goes_on(20).await;
    scene.keys(&[&old, &new], &["k1", "k2"]).await;
    let with_new = Traffic::start([node], &path(&after));
    with_old.goes_on(20).await;
    with_old.ended_without_failure().await;
    scene.keys(&[&new], &["k2"]).await;
    with_new.goes_on(20).await;
    with_new.ended_without_failure().await;
    // Remembered or not, it is of a key that is gone.
    assert_eq!(scene.shows(&before).await.status, 401);
    assert_eq!(scene.shows(&after).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_new_key_has_the_keys_fetched_again() {
    let (scene, old, new) = (Scene::start().await, Signer::new("k1"), Signer::new("k2"));
    scene.keys(&[&old], &["k1"]).await;
    let token = new.token(&claims(&json!({})));
    eventually("no fetch is due", async || {
        let row = scene
            .plane
            .store
            .shown_fetch("login")
            .await
            .unwrap()
            .unwrap();
        row.due_at_ms > row.attempted_at_ms + 10_000
    })
    .await;
    scene
        .endpoint
        .says("/keys", Says::Json(jwks(&[&old, &new])));
    // As if the last fetch were a minute ago: within ten seconds of it there is none.
    let database = format!(
        "sqlite:{}",
        scene.plane.dir.path().join("store.db").display()
    );
    let mut database = SqliteConnection::connect(&database).await.unwrap();
    let aged = "update key_set_fetch set attempted_at = attempted_at - 60000";
    sqlx::query(aged).execute(&mut database).await.unwrap();
    assert_eq!(scene.shows(&token).await.status, 401);
    eventually("the token is accepted", async || {
        scene.shows(&token).await.status == 200
    })
    .await;
}

//! The example for Amazon Cognito, with an issuer that answers as a user pool does.

use gatewright_tests::{
    http::{self, Answer},
    node::TestNode,
    upstream::Upstream,
};
use reqwest::Method;
use serde_json::json;

use crate::{
    endpoint::{Endpoint, Says},
    fetching::Plane,
    signer::{Signer, jwks},
};

/// What the example stands for; the node answers as long as it is there.
struct Scene {
    issuer: String,
    node: TestNode,
    _plane: Plane,
    _upstream: Upstream,
}

/// Applies it, with the pool and the service where they are.
async fn applied(signer: &Signer) -> Scene {
    let (plane, endpoint) = (Plane::start().await, Endpoint::start().await);
    let upstream = Upstream::start().await;
    let issuer = endpoint.url("/pool");
    let configuration = json!({"issuer": issuer, "jwks_uri": endpoint.url("/pool/keys")});
    let path = "/pool/.well-known/openid-configuration";
    endpoint.says(path, Says::Json(configuration));
    endpoint.says("/pool/keys", Says::Json(jwks(&[signer])));
    let node = TestNode::start("node-0", &[plane.control_plane.url()], plane.dir.path()).await;
    let example = include_str!("../../examples/cognito.yaml")
        .replace(
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example",
            &issuer,
        )
        .replace(
            "http://orders.internal:8080",
            &format!("http://{}", upstream.address),
        );
    let admin = &plane.control_plane.admin;
    let request = admin
        .request(Method::POST, "/v1/apply")
        .header("content-type", "application/yaml")
        .body(example);
    let applied = Answer::to(request).await.unwrap();
    assert_eq!(applied.status, 200, "{applied:?}");
    plane.comes_to_know("pool", &["pool-key"]).await;
    node.serves(plane.store.head().await.unwrap().revision)
        .await;
    Scene {
        issuer,
        node,
        _plane: plane,
        _upstream: upstream,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_opens_routes_by_app_client_scope_and_group() {
    let signer = Signer::new("pool-key");
    let scene = applied(&signer).await;
    let issuer = &scene.issuer;
    let client = "1example23456789";
    let access = |client: &str, scope: &str, groups: &[&str]| {
        signer.token(&json!({"iss": issuer, "sub": "u-1", "token_use": "access",
            "client_id": client, "scope": scope, "cognito:groups": groups}))
    };
    let id = |audience: &str| {
        signer.token(&json!({"iss": issuer, "sub": "u-1", "token_use": "id", "aud": audience}))
    };
    let (read, write) = ("orders/read", "orders/write");
    let cases = [
        (Method::GET, "/orders", access(client, read, &[]), 200),
        (Method::GET, "/orders", access("another", read, &[]), 401),
        (Method::GET, "/orders", access(client, write, &[]), 403),
        (
            Method::POST,
            "/orders",
            access(client, read, &["staff"]),
            403,
        ),
        (
            Method::POST,
            "/orders",
            access(client, write, &["staff"]),
            200,
        ),
        (
            Method::POST,
            "/orders",
            access(client, write, &["guests"]),
            403,
        ),
        (Method::GET, "/profile", id(client), 200),
        (Method::GET, "/profile", id("another"), 401),
        (Method::GET, "/orders", id(client), 403),
    ];
    let (http, node) = (http::client(), scene.node.running.http);
    for (method, path, token, expected) in cases {
        let request = http.request(method.clone(), format!("http://{node}{path}"));
        let answer = Answer::to(request.bearer_auth(&token)).await.unwrap();
        assert_eq!(
            answer.status, expected,
            "{method} {path} {token}: {answer:?}"
        );
    }
}

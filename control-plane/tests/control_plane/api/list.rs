use axum::http::StatusCode;
use serde_json::{Value, json};

use super::server::{Server, service};

/// Services `s0` to `s4`, the even ones of team `a`, the odd ones of team `b`.
async fn services() -> Server {
    let server = Server::start().await;
    let one = |number: usize| {
        let mut one = service(&format!("s{number}"));
        one["labels"] = json!({"team": if number.is_multiple_of(2) { "a" } else { "b" }});
        one
    };
    let all: Vec<Value> = (0..5).map(one).collect();
    let applied = server.post("/v1/apply", json!({"services": all})).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    server
}

#[tokio::test]
async fn a_list_comes_in_pages_in_order_of_name() {
    let server = services().await;
    let (names, next) = server.get("/v1/services?limit=2").await.names();
    assert_eq!(
        (names, next.as_deref()),
        (vec!["s0".into(), "s1".into()], Some("s1"))
    );
    let (names, next) = server.get("/v1/services?limit=2&after=s1").await.names();
    assert_eq!(
        (names, next.as_deref()),
        (vec!["s2".into(), "s3".into()], Some("s3"))
    );
    let (names, next) = server.get("/v1/services?limit=2&after=s3").await.names();
    assert_eq!((names, next), (vec!["s4".into()], None));
    assert_eq!(server.get("/v1/routes").await.names(), (vec![], None));
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "lable=a",
        "limit=1&limit=2",
    ] {
        let answer = server.get(&format!("/v1/services?{query}")).await;
        answer.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn a_list_is_filtered_by_labels() {
    let server = services().await;
    for (query, expected) in [
        ("label=team=a", vec!["s0", "s2", "s4"]),
        ("label=team!=a", vec!["s1", "s3"]),
        ("label=team", vec!["s0", "s1", "s2", "s3", "s4"]),
        ("label=!team", vec![]),
        ("label=team=a&label=team!=a", vec![]),
        ("label=team,team=b", vec!["s1", "s3"]),
        ("label=team=a&limit=1", vec!["s0"]),
    ] {
        let (names, _) = server.get(&format!("/v1/services?{query}")).await.names();
        assert_eq!(names, expected, "{query}");
    }
    let odd = server.get("/v1/services?label==a").await;
    odd.problem(400, "invalid_query");
}

#[tokio::test]
async fn what_belongs_to_a_resource_is_listed_below_it() {
    let server = Server::start().await;
    let document = json!({
        "upstreams": [{"name": "u"}, {"name": "v"}],
        "targets": [{"name": "t", "upstream": "u", "address": "127.0.0.1:1"}],
        "services": [{"name": "s", "upstream": "u"}, service("z")],
        "routes": [{"name": "r", "service": "s"}, {"name": "q", "service": "z", "paths": [{"exact": "/q"}]}],
        "consumer_groups": [{"name": "g"}],
        "consumers": [{"name": "c", "groups": ["g"]}, {"name": "d"}],
        "credentials": [{"name": "k", "consumer": "c", "key": "a-long-enough-key"}],
        "plugins": [
            {"name": "on-route", "type": "key-auth", "attach": {"route": "r"}},
            {"name": "on-service", "type": "acl", "attach": {"service": "s"}, "settings": {"allow": ["g"]}},
            {"name": "on-all", "type": "cors", "attach": {"global": true}, "except": [{"route": "r"}],
                "settings": {"origins": ["https://a.example.com"]}},
        ],
    });
    let applied = server.post("/v1/apply", document).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    for (path, expected) in [
        ("services/s/routes", vec!["r"]),
        ("services/s/plugins", vec!["on-service"]),
        ("routes/r/plugins", vec!["on-route"]),
        ("upstreams/u/targets", vec!["t"]),
        ("upstreams/v/targets", vec![]),
        ("upstreams/u/services", vec!["s"]),
        ("consumers/c/credentials", vec!["k"]),
        ("consumers/d/credentials", vec![]),
        ("consumer_groups/g/consumers", vec!["c"]),
        ("consumer_groups/g/plugins", vec![]),
    ] {
        let (names, _) = server.get(&format!("/v1/{path}")).await.names();
        assert_eq!(names, expected, "{path}");
    }
    server
        .get("/v1/services/none/routes")
        .await
        .problem(404, "not_found");
    server
        .get("/v1/services/s/consumers")
        .await
        .problem(404, "unknown_path");
    server
        .get("/v1/services/s/nothing")
        .await
        .problem(404, "unknown_path");
}

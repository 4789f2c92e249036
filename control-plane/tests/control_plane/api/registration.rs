//! Targets that register themselves.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use futures_util::{StreamExt as _, stream};
use gatewright_control_plane::registration::{Limits, Room};
use serde_json::{Value, json};

use super::server::{AGENT, Answer, Server};
use crate::store::database::Database;

const ALL: &str = "/v1/upstreams/orders/registrations";

fn one(instance: &str) -> String {
    format!("{ALL}/{instance}")
}

async fn with_upstream(database: Database) -> Server {
    let server = Server::on(database).await;
    let created = server.put("/v1/upstreams/orders", json!({})).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    server
}

async fn head(server: &Server) -> u64 {
    server.get("/v1/export").await.revision()
}

async fn audited(server: &Server) -> usize {
    let list = server.get("/v1/audit?limit=1000").await.json();
    list["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn an_instance_joins_with_one_revision_and_lives_without_any() {
    for database in Database::both().await {
        let server = with_upstream(database).await;
        let body = json!({"address": "10.0.0.7:80", "weight": 50, "labels": {"zone": "a"}});
        let joined = server.put(&one("a"), body.clone()).await;
        assert_eq!(joined.status, StatusCode::CREATED, "{joined:?}");
        assert_eq!(joined.revision(), 2);
        assert_eq!(joined.json()["ttl_ms"], 15000);
        let target = server.get("/v1/targets/registered.orders.a").await.json();
        assert_eq!(target["upstream"], "orders");
        assert_eq!(target["address"], "10.0.0.7:80");
        assert_eq!(target["ttl_ms"], 15000);

        let (revision, writes) = (head(&server).await, audited(&server).await);
        let again = server.put(&one("a"), body).await;
        assert_eq!(again.status, StatusCode::OK, "{again:?}");
        let beating = format!("{}/heartbeat", one("a"));
        let beat = server.post(&beating, json!(null));
        assert_eq!(beat.await.status, StatusCode::NO_CONTENT);
        let beats = json!({"instances": ["a", "b"]});
        let beats = server.post("/v1/upstreams/orders/heartbeats", beats).await;
        assert_eq!(beats.json(), json!({"unknown": ["b"]}));
        assert_eq!(head(&server).await, revision);
        assert_eq!(audited(&server).await, writes);

        let listed = server.get(ALL).await.json();
        let [item] = &listed["items"].as_array().unwrap()[..] else {
            panic!("{listed}");
        };
        assert_eq!(item["instance"], "a");
        assert_eq!(item["target"], "registered.orders.a");
        assert!(item["left_ms"].as_u64().unwrap() > 0, "{item}");
        let gone = server.delete(&one("a")).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
        assert_eq!(gone.revision(), revision + 1);
        server.get(&one("a")).await.problem(404, "not_found");
        let beat = server.post(&beating, json!(null));
        beat.await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_an_instance_leaves_out_stays_as_an_operator_has_set_it() {
    let server = with_upstream(Database::sqlite()).await;
    let body = json!({"address": "10.0.0.7:80", "labels": {"zone": "a"}});
    server.put(&one("a"), body.clone()).await;
    let drained = server
        .patch("/v1/targets/registered.orders.a", json!({"weight": 0}))
        .await;
    assert_eq!(drained.status, StatusCode::OK, "{drained:?}");
    let again = server.put(&one("a"), body).await;
    assert_eq!(again.revision(), drained.revision());
    let changed = server
        .put(
            &one("a"),
            json!({"address": "10.0.0.8:80", "ttl_ms": "30s"}),
        )
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let target = changed.json();
    assert_eq!(target["weight"], 0);
    assert_eq!(target["address"], "10.0.0.8:80");
    assert_eq!(target["ttl_ms"], 30000);
    assert_eq!(target["labels"], json!({"zone": "a"}));
}

#[tokio::test]
async fn a_burst_is_few_revisions_and_one_mistake_in_it_refuses_no_other() {
    let server = with_upstream(Database::sqlite()).await;
    let join = |number: usize| {
        let address = match number {
            7 => "nothing".to_owned(),
            _ => format!("10.0.0.{number}:80"),
        };
        let server = &server;
        async move {
            let body = json!({"address": address});
            server.put(&one(&format!("i{number}")), body).await
        }
    };
    let answers: Vec<Answer> = stream::iter((0..100).map(join))
        .buffered(100)
        .collect()
        .await;
    for (number, answer) in answers.iter().enumerate() {
        if number == 7 {
            let problem = answer.problem(422, "invalid");
            assert_eq!(problem["errors"][0]["field"], "address");
            assert_eq!(
                problem["errors"][0]["resource"],
                "target/registered.orders.i7"
            );
        } else {
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        }
    }
    assert!(head(&server).await < 20, "{}", head(&server).await);
    let page = server.get(&format!("{ALL}?limit=60")).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 60);
    let after = page["next"].as_str().unwrap();
    let rest = server.get(&format!("{ALL}?after={after}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 39);
    assert_eq!(rest["next"], Value::Null);
}

#[tokio::test]
async fn ten_thousand_targets_live_on_without_a_revision() {
    let server = with_upstream(Database::sqlite()).await;
    let join = async |number: u32| {
        let body = json!({"address": format!("10.0.{}.{}:80", number / 250, number % 250)});
        let joined = server.put(&one(&format!("i{number}")), body).await;
        assert_eq!(joined.status, StatusCode::CREATED, "{joined:?}");
    };
    stream::iter((0..10_000).map(join))
        .buffer_unordered(2000)
        .collect::<()>()
        .await;
    let (revision, writes) = (head(&server).await, audited(&server).await);
    assert!(revision < 100, "{revision}");
    let names: Vec<String> = (0..10_000).map(|number| format!("i{number}")).collect();
    for _ in 0..3 {
        for part in names.chunks(1000) {
            let path = "/v1/upstreams/orders/heartbeats";
            let beats = server.post(path, json!({"instances": part})).await;
            assert_eq!(beats.json(), json!({"unknown": []}));
        }
    }
    assert_eq!(head(&server).await, revision);
    assert_eq!(audited(&server).await, writes);
}

#[tokio::test]
async fn registered_targets_are_neither_pruned_nor_exported_unless_asked_for() {
    let server = with_upstream(Database::sqlite()).await;
    server
        .put(
            "/v1/targets/written",
            json!({"upstream": "orders", "address": "a:80"}),
        )
        .await;
    server.put(&one("a"), json!({"address": "b:80"})).await;
    let exported = server.get("/v1/export").await.json();
    assert_eq!(
        exported["targets"].as_array().unwrap().len(),
        1,
        "{exported}"
    );
    let all = server.get("/v1/export?registered=true").await.json();
    assert_eq!(all["targets"].as_array().unwrap().len(), 2, "{all}");

    let document = json!({"upstreams": [{"name": "orders"}]});
    let pruned = server.post("/v1/apply?prune=true", document.clone()).await;
    let actions = pruned.json()["changes"].clone();
    assert_eq!(actions[0]["name"], "written", "{actions}");
    assert_eq!(server.get(&one("a")).await.status, StatusCode::OK);
    // It belongs to its instance: what it is of cannot go away under it.
    let without = server.post("/v1/apply?prune=true", json!({})).await;
    without.problem(409, "still_referenced");
    let asked = server
        .post("/v1/apply?prune=true&registered=true", document)
        .await;
    assert_eq!(asked.json()["changes"][0]["action"], "delete", "{asked:?}");
    server.get(&one("a")).await.problem(404, "not_found");
}

#[tokio::test]
async fn mistakes_in_a_registration_are_named() {
    let server = with_upstream(Database::sqlite()).await;
    let none = server
        .put("/v1/upstreams/none/registrations/a", json!({}))
        .await;
    none.problem(404, "not_found");
    for (body, field, code) in [
        (
            json!({"address": "a:80", "upstream": "b"}),
            "upstream",
            "unknown_field",
        ),
        (
            json!({"address": "a:80", "ttl_ms": 1}),
            "ttl_ms",
            "invalid_value",
        ),
        (json!({"address": "a"}), "address", "invalid_value"),
        (json!([]), "", "invalid_value"),
    ] {
        let problem = server.put(&one("a"), body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert_eq!(problem["errors"][0]["code"], code, "{problem}");
    }
    let wrong = server.put(&one("a%20b"), json!({"address": "a:80"})).await;
    wrong.problem(422, "invalid");
    let beats = server.post("/v1/upstreams/orders/heartbeats", json!({"instances": [1]}));
    beats.await.problem(422, "invalid");
    // A name that could be a registered target's is not for others.
    let written = json!({"upstream": "orders", "address": "a:80"});
    let written = server.put("/v1/targets/registered.orders.b", written).await;
    written.problem(422, "invalid");
}

#[tokio::test]
async fn instances_whose_names_look_alike_are_kept_apart() {
    let server = with_upstream(Database::sqlite()).await;
    server.put("/v1/upstreams/orders.v2", json!({})).await;
    let (one, other) = (one("v2.a"), "/v1/upstreams/orders.v2/registrations/a");
    let first = server.put(&one, json!({"address": "a:80"})).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let second = server.put(other, json!({"address": "b:80"})).await;
    assert_eq!(second.status, StatusCode::CREATED, "{second:?}");
    assert_eq!(second.json()["target"], "registered.orders..v2.a");
    assert_eq!(server.get(&one).await.json()["address"], "a:80");
    assert_eq!(server.get(other).await.json()["address"], "b:80");
    let listed = server.get(ALL).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let gone = server.delete(other).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    assert_eq!(server.get(&one).await.status, StatusCode::OK);
    // It would be in the way of what keeps them apart.
    let dot = server
        .put(&format!("{ALL}/.a"), json!({"address": "a:80"}))
        .await;
    let problem = dot.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["field"], "name", "{problem}");
}

/// Two targets and ten bytes of labels an upstream, three targets and fourteen bytes a token.
async fn with_little_room() -> Server {
    let limits = Limits {
        upstream: Room {
            targets: 2,
            label_bytes: 10,
        },
        token: Room {
            targets: 3,
            label_bytes: 14,
        },
    };
    let server = Server::limited(Database::sqlite(), limits).await;
    for upstream in ["orders", "users"] {
        let path = format!("/v1/upstreams/{upstream}");
        assert_eq!(
            server.put(&path, json!({})).await.status,
            StatusCode::CREATED
        );
    }
    server
}

#[tokio::test]
async fn there_is_room_for_so_many_targets_of_an_upstream_and_with_a_token() {
    let server = with_little_room().await;
    let put = async |path: &str| server.put(path, json!({"address": "a:80"})).await;
    // At once: they would be carried out together.
    let paths: Vec<String> = (0..10).map(|number| one(&format!("i{number}"))).collect();
    let answers: Vec<Answer> = stream::iter(&paths)
        .map(async |path| put(path).await)
        .buffered(10)
        .collect()
        .await;
    for (number, answer) in answers.iter().enumerate() {
        match number {
            0 | 1 => assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}"),
            _ => {
                let problem = answer.problem(409, "registrations_full");
                let message = problem["message"].as_str().unwrap();
                assert!(message.contains("`upstream/orders`"), "{message}");
            }
        }
    }
    assert_eq!(put(&one("i0")).await.status, StatusCode::OK);
    let users = |instance: &str| format!("/v1/upstreams/users/registrations/{instance}");
    assert_eq!(put(&users("a")).await.status, StatusCode::CREATED);
    let full = put(&users("b")).await.problem(409, "registrations_full");
    let message = full["message"].as_str().unwrap();
    assert!(message.contains("token `tester`"), "{message}");
    assert_eq!(
        server.delete(&one("i0")).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(put(&users("b")).await.status, StatusCode::CREATED);
    let metrics = server.get("/metrics").await.text;
    for line in [
        "gatewright_registrations_refused_total{reason=\"upstream_targets\"} 8",
        "gatewright_registrations_refused_total{reason=\"token_targets\"} 1",
        "gatewright_registrations_refused_total{reason=\"queue\"} 0",
        "gatewright_admin_problems_total{code=\"registrations_full\"} 9",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn there_is_room_for_so_many_bytes_of_labels() {
    let server = with_little_room().await;
    let put = async |path: &str, label: &str| {
        let body = json!({"address": "a:80", "labels": {"k": label}});
        server.put(path, body).await
    };
    assert_eq!(put(&one("a"), "1234567").await.status, StatusCode::CREATED);
    let full = put(&one("b"), "12").await;
    full.problem(409, "registrations_full");
    // Of one that is there.
    let full = put(&one("a"), "1234567890").await;
    full.problem(409, "registrations_full");
    assert_eq!(put(&one("a"), "1").await.status, StatusCode::OK);
    assert_eq!(put(&one("b"), "1234567").await.status, StatusCode::CREATED);
    let long = "x".repeat(70_000);
    put(&one("c"), &long).await.problem(413, "body_too_large");
}

#[tokio::test]
async fn a_target_counts_towards_the_token_that_it_was_registered_with_first() {
    let server = with_upstream(Database::sqlite()).await;
    let body = json!({"address": "a:80"});
    let joined = as_agent(&server, Method::PUT, &one("a"), body.clone()).await;
    assert_eq!(joined.json()["registered_by"], "agent", "{joined:?}");
    let again = server.put(&one("a"), body).await;
    assert_eq!(again.json()["registered_by"], "agent", "{again:?}");
    assert_eq!(again.revision(), joined.revision());
    let forged = json!({"address": "a:80", "registered_by": "tester"});
    let forged = as_agent(&server, Method::PUT, &one("b"), forged).await;
    forged.problem(422, "invalid");
}

async fn as_agent(server: &Server, method: Method, path: &str, body: Value) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {AGENT}"));
    let request = request.header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string()));
    server.send(request.unwrap()).await
}

#[tokio::test]
async fn a_token_for_registering_reaches_nothing_else() {
    let server = with_upstream(Database::sqlite()).await;
    server.put("/v1/upstreams/users", json!({})).await;
    let ask =
        async |method: Method, path: &str, body: Value| as_agent(&server, method, path, body).await;
    let body = json!({"address": "10.0.0.7:80"});
    let joined = ask(Method::PUT, &one("a"), body.clone()).await;
    assert_eq!(joined.status, StatusCode::CREATED, "{joined:?}");
    let listed = ask(Method::GET, ALL, Value::Null).await;
    assert_eq!(listed.status, StatusCode::OK, "{listed:?}");
    let other = "/v1/upstreams/users/registrations/a";
    for (method, path) in [
        (Method::PUT, other),
        (Method::GET, "/v1/upstreams/orders"),
        (Method::DELETE, "/v1/targets/registered.orders.a"),
        (Method::GET, "/v1/export"),
        (Method::GET, "/v1/upstreams/orders/targets"),
        (Method::GET, "/v1/nothing"),
    ] {
        let refused = ask(method, path, body.clone()).await;
        refused.problem(403, "forbidden");
    }
    let gone = ask(Method::DELETE, &one("a"), Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
}

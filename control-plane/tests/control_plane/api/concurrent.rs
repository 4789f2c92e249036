use std::sync::Arc;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{Server, service};
use crate::store::database::Database;

/// Fifty writers, a resource each.
async fn fifty_writers(server: Server) {
    let server = Arc::new(server);
    let write = |number: usize| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let name = format!("s{number}");
            let written = server
                .put(&format!("/v1/services/{name}"), service(&name))
                .await;
            assert_eq!(written.status, StatusCode::CREATED, "{written:?}");
            written.revision()
        })
    };
    let writers: Vec<_> = (0..50).map(write).collect();
    let mut revisions = Vec::new();
    for writer in writers {
        revisions.push(writer.await.unwrap());
    }
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=50).collect::<Vec<u64>>());
    let (names, _) = server.get("/v1/services").await.names();
    assert_eq!(names.len(), 50);
}

#[tokio::test]
async fn fifty_writers_make_fifty_revisions_in_a_file() {
    fifty_writers(Server::start().await).await;
}

#[tokio::test]
async fn fifty_writers_make_fifty_revisions_in_postgres() {
    fifty_writers(Server::on(Database::postgres().await).await).await;
}

#[tokio::test]
async fn of_those_who_change_the_same_version_one_wins() {
    let server = Arc::new(Server::with_orders().await);
    let tag = server
        .get("/v1/services/orders")
        .await
        .header("etag")
        .to_owned();
    let write = |number: u16| {
        let (server, tag) = (Arc::clone(&server), tag.clone());
        tokio::spawn(async move {
            let body = json!({"url": format!("http://127.0.0.1:{}", 1000 + number)});
            let headers = [("content-type", "application/json"), ("if-match", &*tag)];
            let path = "/v1/services/orders";
            let written = server
                .call(Method::PUT, path, &headers, body.to_string())
                .await;
            written.status
        })
    };
    let writers: Vec<_> = (0..20).map(write).collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.unwrap() {
            StatusCode::OK => won += 1,
            status => assert_eq!(status, StatusCode::PRECONDITION_FAILED),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn counting_with_if_match_loses_no_step() {
    let server = Arc::new(Server::with_orders().await);
    let count = || {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let read = server.get("/v1/services/orders").await;
                let tag = read.header("etag").to_owned();
                let mut body: Value = read.json();
                let steps = body["labels"]["steps"].as_str().unwrap_or("0");
                let steps = steps.parse::<u32>().unwrap() + 1;
                body["labels"] = json!({"steps": steps.to_string()});
                let headers = [("content-type", "application/json"), ("if-match", &*tag)];
                let path = "/v1/services/orders";
                let written = server
                    .call(Method::PUT, path, &headers, body.to_string())
                    .await;
                if written.status == StatusCode::OK {
                    return;
                }
            }
        })
    };
    let writers: Vec<_> = (0..8).map(|_| count()).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let read = server.get("/v1/services/orders").await.json();
    assert_eq!(read["labels"]["steps"], "8");
}

#[tokio::test]
async fn two_control_planes_see_each_others_writes_at_once() {
    let database = Database::postgres().await;
    let one = Server::on(database).await;
    let other = one.beside().await;
    for (writer, reader, name) in [
        (&one, &other, "a"),
        (&other, &one, "b"),
        (&one, &other, "c"),
    ] {
        writer
            .put(&format!("/v1/services/{name}"), service(name))
            .await;
        let read = reader.get(&format!("/v1/services/{name}")).await;
        assert_eq!(read.status, StatusCode::OK, "{name}");
    }
}

//! How many connections there are to a target, and which of them get requests.

use std::sync::Arc;

use bytes::Bytes;
use gatewright_proto::v1::Protocol;
use h2::server::{Builder, SendResponse};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};

use super::{
    super::client::Pool,
    peer::PATIENCE,
    target::{Target, get},
};
use crate::{
    connect::{Link, Origin},
    http1::client::Received,
};

fn respond(mut respond: SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(body.into(), true).unwrap();
}

async fn text(received: Received) -> String {
    let body = timeout(PATIENCE, received.response.into_body().collect()).await;
    String::from_utf8(body.unwrap().unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn requests_are_spread_over_as_many_connections_as_are_wanted() {
    // The answers have no end: each keeps its place.
    let target = Target::of(
        Builder::new(),
        |_, mut respond: SendResponse<Bytes>| async move {
            let _stream = respond.send_response(Response::new(()), false).unwrap();
            std::future::pending::<()>().await;
        },
    )
    .await;
    let link = Link {
        connections: 3,
        ..Link::new(None, Protocol::Http2)
    };
    let origin = Origin {
        link: Arc::new(link),
        ..target.origin()
    };
    let pool = Pool::default();
    let mut answers = Vec::new();
    for opened in [1, 2, 3, 3, 3, 3] {
        let sent = timeout(PATIENCE, pool.send(&origin, &mut get())).await;
        answers.push(sent.unwrap().unwrap());
        assert_eq!(target.connections(), opened);
    }
}

#[tokio::test]
async fn a_connection_that_says_goodbye_ends_its_streams_and_gets_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin {
        address: listener.local_addr().unwrap(),
        name: None,
        client: None,
        link: Arc::new(Link::new(None, Protocol::Http2)),
    };
    let (end, ended) = oneshot::channel::<()>();
    let (tell, reached) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut frames = h2::server::handshake(socket).await.unwrap();
        let (_, first) = frames.accept().await.unwrap().unwrap();
        tell.send(()).unwrap();
        frames.graceful_shutdown();
        tokio::spawn(async move {
            ended.await.unwrap();
            respond(first, "late");
        });
        tokio::spawn(async move { while frames.accept().await.is_some() {} });
        let (socket, _) = listener.accept().await.unwrap();
        let mut frames = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((_, sender))) = frames.accept().await {
            respond(sender, "new");
        }
    });
    let pool = Arc::new(Pool::default());
    let (of_first, to) = (Arc::clone(&pool), origin.clone());
    let first = tokio::spawn(async move { of_first.send(&to, &mut get()).await });
    timeout(PATIENCE, reached).await.unwrap().unwrap();
    let next = async {
        loop {
            // What comes before the goodbye is refused.
            match pool.send(&origin, &mut get()).await {
                Ok(received) => return text(received).await,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, next).await.unwrap(), "new");
    end.send(()).unwrap();
    let first = timeout(PATIENCE, first).await.unwrap().unwrap();
    assert_eq!(text(first.unwrap()).await, "late");
}

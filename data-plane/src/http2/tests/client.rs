//! What a target gets, and what comes of its answers.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    ext::Protocol,
    server::{Builder, SendResponse},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Barrier, mpsc},
    time::timeout,
};

use super::{
    super::client::Pool,
    peer::{PATIENCE, drained},
    target::{Target, get, outgoing},
};
use crate::{
    body::{Body, BodyError},
    connect::SendError,
    exchange::Interim,
};

fn respond(mut respond: SendResponse<Bytes>, body: impl Into<Bytes>) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(body.into(), true).unwrap();
}

/// Answers with the request's body, and its length in a trailer.
async fn echo(mut request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    let mut bytes: usize = 0;
    while let Some(Ok(data)) = request.body_mut().data().await {
        bytes += data.len();
        request
            .body_mut()
            .flow_control()
            .release_capacity(data.len())
            .unwrap();
        stream.send_data(data, false).unwrap();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("bytes", HeaderValue::from(bytes));
    stream.send_trailers(trailers).unwrap();
}

async fn describe(request: Request<RecvStream>, sender: SendResponse<Bytes>) {
    let mut text = format!("{} {}", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("\n{name}: {}", value.to_str().unwrap()));
    }
    respond(sender, text);
}

async fn text(received: crate::http1::client::Received) -> String {
    let body = timeout(PATIENCE, received.response.into_body().collect()).await;
    String::from_utf8(body.unwrap().unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_authority_says_what_host_said_and_the_request_stays_as_it_was() {
    let target = Target::of(Builder::new(), describe).await;
    let mut outgoing = get();
    let pool = Pool::default();
    let received = target.send(&pool, &mut outgoing).await.unwrap();
    assert_eq!(text(received).await, "GET http://target.test/path?query");
    assert_eq!(outgoing.request.headers()[header::HOST], "target.test");
}

#[tokio::test]
async fn requests_share_a_connection() {
    let target = Target::of(Builder::new(), describe).await;
    let pool = Pool::default();
    for _ in 0..3 {
        let received = target.send(&pool, &mut get()).await.unwrap();
        text(received).await;
    }
    let together = (0..20).map(|_| async { target.send(&pool, &mut get()).await.map(drop) });
    for sent in futures_util::future::join_all(together).await {
        sent.unwrap();
    }
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn another_connection_is_opened_where_streams_are_used_up() {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(1);
    let all = Arc::new(Barrier::new(4));
    let target = Target::of(builder, move |_, sender| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            respond(sender, "done");
        }
    })
    .await;
    let pool = Pool::default();
    // A connection's limit is known when its settings have come; what is beyond it is refused before.
    let together = futures_util::future::join_all([(); 4].map(|()| one_of(&target, &pool)));
    let answers = timeout(PATIENCE, together).await.unwrap();
    assert_eq!(answers, ["done"; 4]);
    assert!(target.connections() <= 4);
}

async fn one_of(target: &Target, pool: &Pool) -> String {
    loop {
        match target.send(pool, &mut get()).await {
            Err(SendError::Refused) => tokio::task::yield_now().await,
            received => return text(received.unwrap()).await,
        }
    }
}

#[tokio::test]
async fn ten_mebibytes_flow_both_ways_and_trailers_follow() {
    const BYTES: usize = 10 * 1024 * 1024;
    let target = Target::of(Builder::new(), echo).await;
    let body = Body::Full(Bytes::from(vec![b'x'; BYTES]));
    let mut outgoing = outgoing(Method::POST, body);
    let received = target.send(&Pool::default(), &mut outgoing).await.unwrap();
    let collected = timeout(PATIENCE, received.response.into_body().collect())
        .await
        .unwrap()
        .unwrap();
    let trailers = collected.trailers().cloned().unwrap();
    assert_eq!(trailers["bytes"], *BYTES.to_string());
    assert_eq!(collected.to_bytes().len(), BYTES);
}

#[tokio::test]
async fn interim_answers_are_passed_on() {
    let target = Target::of(Builder::new(), |_, mut sender: SendResponse<Bytes>| async {
        let mut hints = Response::new(());
        *hints.status_mut() = StatusCode::EARLY_HINTS;
        sender.send_informational(hints).unwrap();
        respond(sender, "done");
    })
    .await;
    let (interim, mut interims) = mpsc::channel(Interim::MAX);
    let mut outgoing = get();
    outgoing.interim = Interim::new(interim);
    let received = target.send(&Pool::default(), &mut outgoing).await.unwrap();
    assert_eq!(interims.recv().await.unwrap().0, StatusCode::EARLY_HINTS);
    assert_eq!(text(received).await, "done");
}

#[tokio::test]
async fn what_a_target_refuses_may_be_sent_elsewhere_and_what_it_resets_may_not() {
    for (reason, refused) in [
        (Reason::REFUSED_STREAM, true),
        (Reason::INTERNAL_ERROR, false),
    ] {
        let script = move |_, mut sender: SendResponse<Bytes>| async move {
            sender.send_reset(reason);
        };
        let target = Target::of(Builder::new(), script).await;
        let pool = Pool::default();
        for _ in 0..2 {
            let error = target.send(&pool, &mut get()).await.unwrap_err();
            match error {
                SendError::Refused => assert!(refused),
                SendError::Closed { reused } => assert!(!refused && !reused),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_is_replaced() {
    let target = Target::of(Builder::new(), describe).await;
    let (address, pool) = (target.address, Pool::default());
    let received = target.send(&pool, &mut get()).await.unwrap();
    text(received).await;
    let origin = target.origin();
    drop(target);
    let bound = async {
        loop {
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let listener = timeout(PATIENCE, bound).await.unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut frames = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((_, sender))) = frames.accept().await {
            respond(sender, "again");
        }
    });
    let origin = crate::connect::Origin { address, ..origin };
    let again = async {
        loop {
            match pool.send(&origin, &mut get()).await {
                // The end of the first connection may not have been noticed yet.
                Err(SendError::Closed { reused: true } | SendError::Refused) => {}
                received => return text(received.unwrap()).await,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, again).await.unwrap(), "again");
}

#[tokio::test]
async fn a_target_that_never_answers_is_given_up() {
    let target = Target::of(Builder::new(), |_, sender: SendResponse<Bytes>| async {
        let _sender = sender;
        std::future::pending::<()>().await;
    })
    .await;
    let mut outgoing = get();
    outgoing.idle_timeout = Some(Duration::from_millis(50));
    let late = target.send(&Pool::default(), &mut outgoing).await;
    assert!(matches!(late, Err(SendError::IdleTimeout)), "{late:?}");
}

#[tokio::test]
async fn a_body_that_breaks_resets_the_stream() {
    let (told, mut heard) = mpsc::channel(1);
    let target = Target::of(
        Builder::new(),
        move |mut request: Request<RecvStream>, sender| {
            let told = told.clone();
            async move {
                let _sender = sender;
                let broken = drained(request.body_mut()).await.unwrap_err();
                told.send(broken.reason()).await.unwrap();
            }
        },
    )
    .await;
    let frames = [
        Ok(http_body::Frame::data(Bytes::from_static(b"some"))),
        Err(BodyError::Closed),
    ];
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
    let mut outgoing = outgoing(Method::POST, Body::Stream(Box::pin(body)));
    let failed = target.send(&Pool::default(), &mut outgoing).await;
    assert!(
        matches!(failed, Err(SendError::RequestBody(_))),
        "{failed:?}"
    );
    let reason = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    assert_eq!(reason, Some(Reason::CANCEL));
}

#[tokio::test]
async fn a_protocol_is_switched_to_where_the_target_takes_extended_connect() {
    let script = |mut request: Request<RecvStream>, mut sender: SendResponse<Bytes>| async move {
        assert_eq!(
            request.extensions().get(),
            Some(&Protocol::from("websocket"))
        );
        let mut stream = sender.send_response(Response::new(()), false).unwrap();
        while let Some(Ok(data)) = request.body_mut().data().await {
            stream.send_data(data, false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    };
    let mut builder = Builder::new();
    builder.enable_connect_protocol();
    let target = Target::of(builder, script).await;
    let pool = Pool::default();
    let mut outgoing = get();
    outgoing.upgrade = Some("websocket".into());
    let received = target.send(&pool, &mut outgoing).await.unwrap();
    assert_eq!(received.response.status(), 200);
    let mut tunnel = received.tunnel.unwrap();
    tunnel.write_all(b"hello").await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut heard = String::new();
    let read = timeout(PATIENCE, tunnel.read_to_string(&mut heard)).await;
    read.unwrap().unwrap();
    assert_eq!(heard, "hello");
    let plain = Target::of(Builder::new(), describe).await;
    let refused = plain.send(&pool, &mut outgoing).await;
    assert!(
        matches!(refused, Err(SendError::Malformed(_))),
        "{refused:?}"
    );
}

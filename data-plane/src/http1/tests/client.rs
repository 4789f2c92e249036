use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    super::client::Received,
    target::{Target, get, outgoing, read_head},
};
use crate::{
    body::{Body, BodyError},
    connect::SendError,
};

async fn read(received: Received) -> (Bytes, Option<http::HeaderMap>) {
    let whole = received.response.into_body().collect().await.unwrap();
    let trailers = whole.trailers().cloned();
    (whole.to_bytes(), trailers)
}

#[tokio::test]
async fn an_answer_is_the_same_wherever_it_is_cut_and_the_connection_is_used_again() {
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let by_length = format!("{hint}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nx-sum: 5\r\n\r\n";
    for wire in [&*by_length, chunked] {
        for cut in 1..wire.len() {
            let pieces = vec![wire[..cut].into(), wire[cut..].into()];
            let target = Target::answering(pieces).await;
            for _ in 0..2 {
                let (mut request, mut interim) = outgoing(Method::GET, Body::Empty);
                let received = target.pool.send(&target.origin, &mut request).await;
                let (body, trailers) = read(received.unwrap()).await;
                assert_eq!(body, "hello", "cut at {cut}");
                let sum = trailers.map(|trailers| trailers["x-sum"].clone());
                assert_eq!(sum.is_some(), wire == chunked, "cut at {cut}");
                assert_eq!(interim.try_recv().is_ok(), wire != chunked, "cut at {cut}");
            }
            assert_eq!(target.accepted(), 1, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_whole_is_whole_and_leaves_the_connection_free() {
    let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let target = Target::answering(vec![wire]).await;
    let first = target.pool.send(&target.origin, &mut get()).await.unwrap();
    assert!(matches!(first.response.body(), Body::Full(_)));
    // The first answer is still held.
    let second = target.pool.send(&target.origin, &mut get()).await.unwrap();
    assert_eq!(read(first).await.0, read(second).await.0);
    assert_eq!(target.accepted(), 1);
}

#[tokio::test]
async fn answers_that_have_no_body_are_not_waited_for() {
    for (method, head) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (
            Method::HEAD,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            Method::GET,
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ),
    ] {
        let target = Target::answering(vec![head.into()]).await;
        for _ in 0..2 {
            let (mut request, _interim) = outgoing(method.clone(), Body::Empty);
            let received = target.pool.send(&target.origin, &mut request).await;
            assert!(matches!(received.unwrap().response.body(), Body::Empty));
        }
        assert_eq!(target.accepted(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_connection_whose_state_is_not_sure_is_not_used_again() {
    for wire in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more",
    ] {
        let target = Target::answering(vec![wire.into()]).await;
        for _ in 0..2 {
            let received = target.pool.send(&target.origin, &mut get()).await;
            assert_eq!(read(received.unwrap()).await.0, "ok");
        }
        assert_eq!(target.accepted(), 2, "{wire}");
    }
}

#[tokio::test]
async fn a_body_without_length_ends_with_the_connection_and_one_with_length_must_not() {
    let target = |head: &'static str| {
        Target::of(move |mut socket| async move {
            read_head(&mut socket).await;
            socket.write_all(head.as_bytes()).await.unwrap();
        })
    };
    let open = target("HTTP/1.1 200 OK\r\n\r\nhello").await;
    let received = open.pool.send(&open.origin, &mut get()).await.unwrap();
    assert_eq!(read(received).await.0, "hello");
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let cut = target(head).await;
        let received = cut.pool.send(&cut.origin, &mut get()).await.unwrap();
        let body = received.response.into_body().collect().await;
        assert!(matches!(body, Err(BodyError::Closed)), "{body:?}");
    }
}

#[tokio::test]
async fn a_target_that_closes_without_an_answer_is_told_from_one_that_was_idle() {
    let target = Target::of(|mut socket| async move {
        read_head(&mut socket).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
        // Takes the next request, and goes.
        read_head(&mut socket).await;
    })
    .await;
    target.pool.send(&target.origin, &mut get()).await.unwrap();
    let again = target.pool.send(&target.origin, &mut get()).await;
    assert!(
        matches!(again, Err(SendError::Closed { reused: true })),
        "{again:?}"
    );
    let silent = Target::of(|socket| async move { drop(socket) }).await;
    let sent = silent.pool.send(&silent.origin, &mut get()).await;
    assert!(
        matches!(sent, Err(SendError::Closed { reused: false })),
        "{sent:?}"
    );
}

#[tokio::test]
async fn a_protocol_is_switched_when_asked_for_and_nothing_sent_ahead_is_lost() {
    let target = Target::of(|mut socket| async move {
        let head = read_head(&mut socket).await;
        assert!(head.contains("connection: upgrade\r\nupgrade: echo\r\n"), "{head}");
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nahead";
        socket.write_all(answer).await.unwrap();
        let mut said = [0; 2];
        socket.read_exact(&mut said).await.unwrap();
        socket.write_all(&said).await.unwrap();
    })
    .await;
    let mut request = get();
    request.upgrade = Some("echo".into());
    let received = target
        .pool
        .send(&target.origin, &mut request)
        .await
        .unwrap();
    assert_eq!(received.response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(received.response.headers()[header::UPGRADE], "echo");
    let mut tunnel = received.tunnel.unwrap();
    tunnel.write_all(b"hi").await.unwrap();
    let mut all = String::new();
    tunnel.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "aheadhi");
}

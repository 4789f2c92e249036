use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

use super::target::{Target, get, outgoing, read_head};
use crate::{
    body::{Body, BodyError},
    connect::SendError,
};

const SOON: Duration = Duration::from_millis(30);

type Frames = mpsc::Sender<Result<Frame<Bytes>, BodyError>>;

/// A body that a test writes piece by piece.
fn body() -> (Frames, Body) {
    let (sender, receiver) = mpsc::channel(4);
    let stream = StreamBody::new(ReceiverStream::new(receiver));
    (sender, Body::Stream(Box::pin(stream)))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

async fn until(socket: &mut TcpStream, words: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(words.as_bytes()) {
        read.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_known_body_is_sent_by_length_in_one_piece_with_the_head() {
    let target = Target::of(|mut socket| async move {
        let mut first = vec![0; 4096];
        let read = socket.read(&mut first).await.unwrap();
        let expected = "POST /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(String::from_utf8_lossy(&first[..read]), expected);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
    })
    .await;
    let whole = Body::Full(Bytes::from_static(b"hello"));
    let (mut request, _interim) = outgoing(Method::POST, whole);
    target
        .pool
        .send(&target.origin, &mut request)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_answer_begins_before_the_request_has_ended_and_both_go_on() {
    let target = Target::of(|mut socket| async move {
        let head = read_head(&mut socket).await;
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        until(&mut socket, "3\r\none\r\n").await;
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nONE\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
        until(&mut socket, "3\r\ntwo\r\n0\r\nx-sum: 2\r\n\r\n").await;
        socket.write_all(b"3\r\nTWO\r\n0\r\n\r\n").await.unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("GET /x?y "), "{head}");
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        socket.write_all(answer).await.unwrap();
    })
    .await;
    let (frames, body) = body();
    let (mut request, _interim) = outgoing(Method::POST, body);
    frames.send(data("one")).await.unwrap();
    let received = target
        .pool
        .send(&target.origin, &mut request)
        .await
        .unwrap();
    let mut answer = received.response.into_body();
    let first = answer.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "ONE");
    frames.send(data("two")).await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("2"));
    frames.send(Ok(Frame::trailers(trailers))).await.unwrap();
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "TWO");
    // Both have ended: the connection is free.
    target.pool.send(&target.origin, &mut get()).await.unwrap();
    assert_eq!(target.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_is_expected_is_held_until_the_target_asks_for_it() {
    let target = Target::of(|mut socket| async move {
        read_head(&mut socket).await;
        socket
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .unwrap();
        until(&mut socket, "hello").await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
    })
    .await;
    let whole = Body::Full(Bytes::from_static(b"hello"));
    let (mut request, mut interim) = outgoing(Method::POST, whole);
    let expect = HeaderValue::from_static("100-continue");
    request.request.headers_mut().insert(header::EXPECT, expect);
    target
        .pool
        .send(&target.origin, &mut request)
        .await
        .unwrap();
    assert_eq!(interim.recv().await.unwrap().0, StatusCode::CONTINUE);
}

#[tokio::test]
async fn a_target_that_answers_instead_of_asking_never_gets_the_body() {
    let seen = Arc::new(Mutex::new(None));
    let writes = Arc::clone(&seen);
    let target = Target::of(move |mut socket| {
        let writes = Arc::clone(&writes);
        async move {
            read_head(&mut socket).await;
            let answer = b"HTTP/1.1 417 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
            socket.write_all(answer).await.unwrap();
            // Longer than a body would be held back without an answer.
            let mut rest = Vec::new();
            let read =
                tokio::time::timeout(Duration::from_millis(1200), socket.read_buf(&mut rest));
            assert!(read.await.is_err(), "{rest:?}");
            socket.write_all(b"0\r\n\r\n").await.unwrap();
            socket.read_to_end(&mut rest).await.unwrap();
            *writes.lock().unwrap() = Some(rest);
        }
    })
    .await;
    let whole = Body::Full(Bytes::from_static(b"hello"));
    let (mut request, _interim) = outgoing(Method::POST, whole);
    let expect = HeaderValue::from_static("100-continue");
    request.request.headers_mut().insert(header::EXPECT, expect);
    let received = target
        .pool
        .send(&target.origin, &mut request)
        .await
        .unwrap();
    assert_eq!(
        received
            .response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes(),
        "x"
    );
    tokio::time::timeout(Duration::from_secs(10), async {
        while seen.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(seen.lock().unwrap().as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn silence_is_given_up_before_the_head_and_in_the_body_even_after_an_upload() {
    let silent =
        Target::of(|mut socket| async move { while !read_head(&mut socket).await.is_empty() {} })
            .await;
    let mut request = get();
    request.idle_timeout = Some(SOON);
    let sent = silent.pool.send(&silent.origin, &mut request).await;
    assert!(matches!(sent, Err(SendError::IdleTimeout)), "{sent:?}");
    let stuck = Target::of(|mut socket| async move {
        read_head(&mut socket).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
        socket.write_all(answer).await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let (frames, body) = body();
    let (mut request, _interim) = outgoing(Method::POST, body);
    request.idle_timeout = Some(SOON);
    let received = stuck.pool.send(&stuck.origin, &mut request).await.unwrap();
    drop(frames);
    let read = received.response.into_body().collect();
    let read = tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .unwrap();
    assert!(matches!(read, Err(BodyError::Timeout)), "{read:?}");
}

#[tokio::test]
async fn a_request_body_that_breaks_off_fails_the_exchange_and_never_ends_the_message() {
    for early in [false, true] {
        let (sender, mut received) = mpsc::channel(1);
        let target = Target::of(move |mut socket| {
            let sender = sender.clone();
            async move {
                read_head(&mut socket).await;
                if early {
                    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    socket.write_all(answer).await.unwrap();
                }
                let mut rest = Vec::new();
                let _ = socket.read_to_end(&mut rest).await;
                sender.send(rest).await.unwrap();
            }
        })
        .await;
        let (frames, body) = body();
        let (mut request, _interim) = outgoing(Method::POST, body);
        let broken = || Err(BodyError::Malformed("broken"));
        if early {
            let answer = target
                .pool
                .send(&target.origin, &mut request)
                .await
                .unwrap();
            frames.send(data("one")).await.unwrap();
            frames.send(broken()).await.unwrap();
            frames.send(data("two")).await.unwrap();
            let read = answer.response.into_body().collect().await;
            assert!(matches!(read, Err(BodyError::Malformed(_))), "{read:?}");
        } else {
            frames.send(data("one")).await.unwrap();
            frames.send(broken()).await.unwrap();
            let sent = target.pool.send(&target.origin, &mut request).await;
            assert!(matches!(sent, Err(SendError::RequestBody(_))), "{sent:?}");
        }
        let wire = String::from_utf8(received.recv().await.unwrap()).unwrap();
        assert!(
            !wire.contains("two") && !wire.ends_with("0\r\n\r\n"),
            "{wire}"
        );
    }
}

#[tokio::test]
async fn a_wish_for_trailers_is_said_to_be_for_this_connection() {
    let target = Target::of(|mut socket| async move {
        let head = read_head(&mut socket).await;
        assert!(head.contains("\r\nte: trailers\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: te\r\n"), "{head}");
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        socket.write_all(answer).await.unwrap();
    })
    .await;
    let mut request = get();
    let trailers = HeaderValue::from_static("trailers");
    request.request.headers_mut().insert(header::TE, trailers);
    target
        .pool
        .send(&target.origin, &mut request)
        .await
        .unwrap();
}

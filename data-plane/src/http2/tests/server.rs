//! What a client gets.

use std::{sync::Arc, task::Poll};

use bytes::Bytes;
use h2::SendStream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::{sync::Notify, time::timeout};

use super::peer::{PATIENCE, Peer, answer, describe, drained, echo, get, limits, whole};
use crate::body::Body;

#[tokio::test]
async fn a_request_is_read_and_its_host_is_the_authority() {
    let mut peer = Peer::of(limits(), describe).await;
    let request = get("/a?b=c")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers");
    let whole = peer.ask(request.body(()).unwrap()).await;
    assert_eq!(whole.status, 200);
    let length = whole.body.len().to_string();
    assert_eq!(whole.headers[header::CONTENT_LENGTH], *length);
    let lines: Vec<&str> = whole.body.lines().collect();
    assert_eq!(lines[0], "GET http://shop.test/a?b=c");
    for line in ["cookie: a=1; b=2", "host: shop.test", "te: trailers"] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways() {
    let mut peer = Peer::of(limits(), echo).await;
    let request = Request::post("http://shop.test/").body(()).unwrap();
    let (response, mut stream) = peer.requests.send_request(request, false).unwrap();
    stream.send_data("some ".into(), false).unwrap();
    stream.send_data("words".into(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("sum", HeaderValue::from_static("10"));
    stream.send_trailers(trailers.clone()).unwrap();
    let whole = whole(response).await.unwrap();
    assert_eq!(whole.body, "some words");
    assert_eq!(whole.trailers, Some(trailers));
    assert!(!whole.headers.contains_key(header::CONTENT_LENGTH));
}

#[tokio::test]
async fn ten_mebibytes_flow_both_ways_at_once() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 160;
    let mut peer = Peer::of(limits(), echo).await;
    let request = Request::post("http://shop.test/").body(()).unwrap();
    let (response, stream) = peer.requests.send_request(request, false).unwrap();
    let sent = tokio::spawn(send_pieces(stream, PIECE, PIECES));
    let mut response = timeout(PATIENCE, response).await.unwrap().unwrap();
    let (body, _) = timeout(PATIENCE, drained(response.body_mut()))
        .await
        .unwrap()
        .unwrap();
    sent.await.unwrap();
    assert_eq!(body.len(), PIECE * PIECES);
    assert!(body.iter().all(|byte| *byte == b'x'));
}

/// Sends as the window allows.
async fn send_pieces(mut stream: SendStream<Bytes>, piece: usize, pieces: usize) {
    let bytes = Bytes::from(vec![b'x'; piece]);
    for _ in 0..pieces {
        let mut left = bytes.clone();
        while !left.is_empty() {
            stream.reserve_capacity(left.len());
            let room = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
            let part = left.split_to(room.unwrap().unwrap().min(left.len()));
            stream.send_data(part, false).unwrap();
        }
    }
    stream.send_data(Bytes::new(), true).unwrap();
}

#[tokio::test]
async fn an_interim_answer_comes_before_the_final_one() {
    let mut peer = Peer::of(limits(), |incoming| {
        Box::pin(async move {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, HeaderValue::from_static("</a.css>"));
            incoming.interim.send(StatusCode::EARLY_HINTS, headers);
            answer(Response::new(Body::Full("done".into())))
        })
    })
    .await;
    let mut response = peer.send(get("/").body(()).unwrap());
    let interim = std::future::poll_fn(|context| response.poll_informational(context));
    let interim = timeout(PATIENCE, interim).await.unwrap().unwrap().unwrap();
    assert_eq!(interim.status(), 103);
    assert_eq!(interim.headers()[header::LINK], "</a.css>");
    assert_eq!(whole(response).await.unwrap().body, "done");
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_go_on_when_the_body_is_read() {
    let mut peer = Peer::of(limits(), |incoming| {
        Box::pin(async move {
            let body = incoming.request.into_body().collect().await.unwrap();
            answer(Response::new(Body::Full(body.to_bytes())))
        })
    })
    .await;
    let request = Request::post("http://shop.test/").header("expect", "100-continue");
    let request = request.body(()).unwrap();
    let (mut response, mut stream) = peer.requests.send_request(request, false).unwrap();
    let interim = std::future::poll_fn(|context| response.poll_informational(context));
    let interim = timeout(PATIENCE, interim).await.unwrap().unwrap().unwrap();
    assert_eq!(interim.status(), 100);
    stream.send_data("words".into(), true).unwrap();
    assert_eq!(whole(response).await.unwrap().body, "words");
}

#[tokio::test]
async fn answers_without_a_body_say_the_length_that_it_would_have() {
    let mut peer = Peer::of(limits(), |incoming| {
        Box::pin(async move {
            let status = incoming.request.uri().path()[1..].parse().unwrap();
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let length = HeaderValue::from_static("5");
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
            answer(response)
        })
    })
    .await;
    for (method, status, length) in [
        (Method::HEAD, "200", Some("5")),
        (Method::GET, "304", Some("5")),
        (Method::GET, "204", None),
        (Method::GET, "200", Some("0")),
    ] {
        let request = get(&format!("/{status}")).method(method).body(()).unwrap();
        let whole = peer.ask(request).await;
        let said = whole.headers.get(header::CONTENT_LENGTH);
        assert_eq!(
            said.map(|value| value.to_str().unwrap()),
            length,
            "{status}"
        );
        assert_eq!(whole.body, "");
    }
}

#[tokio::test]
async fn a_reset_cancels_the_exchange_and_leaves_the_others_alone() {
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_begun, tell_dropped) = (Arc::clone(&begun), Arc::clone(&dropped));
    let mut peer = Peer::of(limits(), move |incoming| {
        if incoming.request.uri().path() == "/echo" {
            return echo(incoming);
        }
        let guard = Tell(Arc::clone(&tell_dropped));
        tell_begun.notify_one();
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    })
    .await;
    let waiting = peer.send(get("/wait").body(()).unwrap());
    timeout(PATIENCE, begun.notified()).await.unwrap();
    drop(waiting);
    timeout(PATIENCE, dropped.notified()).await.unwrap();
    assert_eq!(peer.ask(get("/echo").body(()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn answers_leave_as_they_are_ready_and_not_in_the_order_of_requests() {
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let mut peer = Peer::of(limits(), move |incoming| {
        let opened = Arc::clone(&opened);
        Box::pin(async move {
            if incoming.request.uri().path() == "/slow" {
                opened.notified().await;
            }
            answer(Response::new(Body::Empty))
        })
    })
    .await;
    let mut slow = peer.send(get("/slow").body(()).unwrap());
    assert_eq!(peer.ask(get("/fast").body(()).unwrap()).await.status, 200);
    let polled = std::future::poll_fn(|context| {
        Poll::Ready(std::pin::Pin::new(&mut slow).poll(context).is_pending())
    });
    assert!(polled.await);
    gate.notify_one();
    assert_eq!(whole(slow).await.unwrap().status, 200);
}

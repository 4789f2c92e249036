use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::BufStream;

use super::peer::{Peer, answer, echo, limits};
use crate::{body::Body, exchange::Interim};

const CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Without the fields that differ from time to time.
fn timeless(answer: &str) -> String {
    let lines = answer.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

#[tokio::test]
async fn requests_in_a_row_are_answered_the_same_wherever_they_are_cut() {
    let wire = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
                POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nx-t: 1\r\n\r\n\
                \r\nGET http://a/4 HTTP/1.1\r\nHost: A\r\n\r\n\
                POST /5 HTTP/1.0\r\nContent-Length: 2\r\n\r\nyo";
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi\
                    HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n\
                    HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n\
                    HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nyo";
    for cut in 1..wire.len() {
        let mut peer = Peer::of(limits(), |incoming| {
            Box::pin(async move {
                // Whole, so that the pieces it came in are not seen in the answer.
                let body = incoming.request.into_body();
                if let Body::Empty = body {
                    return answer(Response::new(Body::Empty));
                }
                let whole = body.collect().await.unwrap();
                let trailers = whole.trailers().cloned();
                let data = whole.to_bytes();
                answer(Response::new(match trailers {
                    None => Body::Full(data),
                    Some(trailers) => {
                        Body::Stream(Box::pin(StreamBody::new(tokio_stream::iter([
                            Ok(http_body::Frame::data(data)),
                            Ok(http_body::Frame::trailers(trailers)),
                        ]))))
                    }
                }))
            })
        });
        for piece in [&wire[..cut], &wire[cut..]] {
            peer.send(piece.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(timeless(&peer.rest().await), expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn what_is_written_is_flushed_where_the_transport_keeps_it_back() {
    let mut peer = Peer::through(limits(), echo, BufStream::new);
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    peer.until("\r\n\r\nhi").await;
}

#[tokio::test]
async fn answers_without_a_body_say_how_long_it_would_be_and_send_none() {
    let mut peer = Peer::of(limits(), |incoming| {
        Box::pin(async move {
            let status = incoming.request.uri().path()[1..].parse().unwrap();
            let mut response = Response::new(Body::Full(Bytes::from_static(b"body")));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let length = http::HeaderValue::from_static("4");
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
            answer(response)
        })
    });
    for (request, length) in [
        ("HEAD /200", "content-length: 4"),
        ("GET /304", "content-length: 4"),
        ("GET /204", ""),
    ] {
        peer.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await;
        let head = peer.until("\r\n\r\n").await;
        assert_eq!(
            head.contains("content-length"),
            !length.is_empty(),
            "{head}"
        );
        assert!(head.contains(length), "{head}");
    }
    peer.send(CLOSE.replace("/ ", "/200 ").as_bytes()).await;
    assert!(peer.rest().await.ends_with("\r\n\r\nbody"));
}

#[tokio::test]
async fn http_1_0_gets_no_chunks_and_keeps_the_connection_only_when_it_asks() {
    let script =
        |incoming: crate::exchange::Incoming| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            if incoming.request.uri().path() == "/known" {
                return Box::pin(async {
                    answer(Response::new(Body::Full(Bytes::from_static(b"x"))))
                });
            }
            let frames =
                tokio_stream::iter([Ok(http_body::Frame::data(Bytes::from_static(b"abc")))]);
            Box::pin(async {
                answer(Response::new(Body::Stream(Box::pin(StreamBody::new(
                    frames,
                )))))
            })
        };
    let mut peer = Peer::of(limits(), script);
    peer.send(b"GET /known HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    let kept = peer.until("\r\n\r\nx").await;
    assert!(kept.contains("connection: keep-alive"), "{kept}");
    peer.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    let closed = peer.rest().await;
    assert!(closed.contains("connection: close"), "{closed}");
    assert!(
        closed.ends_with("\r\n\r\nabc") && !closed.contains("chunked"),
        "{closed}"
    );
}

#[tokio::test]
async fn the_client_is_told_to_continue_when_the_body_is_wanted_and_not_before() {
    let mut peer = Peer::of(limits(), |incoming| {
        Box::pin(async move {
            if incoming.request.uri().path() == "/unwanted" {
                let mut response = Response::new(Body::Empty);
                *response.status_mut() = StatusCode::EXPECTATION_FAILED;
                return answer(response);
            }
            let body = incoming.request.into_body().collect().await.unwrap();
            answer(Response::new(Body::Full(body.to_bytes())))
        })
    });
    let head =
        "POST /wanted HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    peer.send(head.as_bytes()).await;
    assert_eq!(
        peer.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    peer.send(b"hi").await;
    peer.until("\r\n\r\nhi").await;
    peer.send(head.replace("wanted", "unwanted").as_bytes())
        .await;
    // Whether the body comes now, nobody knows: the connection ends.
    let refused = peer.until("\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 417"), "{refused}");
    drop(peer.io);
    peer.task.await.unwrap();
}

#[tokio::test]
async fn interim_answers_are_written_while_the_request_is_served_and_are_bounded() {
    let (hints, waits) = (200, tokio::sync::Notify::new());
    let waits = std::sync::Arc::new(waits);
    let done = std::sync::Arc::clone(&waits);
    let mut peer = Peer::of(limits(), move |incoming| {
        let done = std::sync::Arc::clone(&done);
        Box::pin(async move {
            let send = |interim: &Interim| interim.send(StatusCode::EARLY_HINTS, HeaderMap::new());
            for _ in 0..hints {
                send(&incoming.interim);
            }
            done.notified().await;
            answer(Response::new(Body::Empty))
        })
    });
    peer.send(CLOSE.as_bytes()).await;
    peer.until("HTTP/1.1 103 Early Hints\r\n\r\n").await;
    waits.notify_one();
    let rest = peer.rest().await;
    assert_eq!(rest.matches("103").count(), Interim::MAX - 1, "{rest}");
    assert!(rest.contains("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn interim_answers_that_the_client_does_not_read_are_not_piled_up() {
    let done = std::sync::Arc::new(tokio::sync::Notify::new());
    let tells = std::sync::Arc::clone(&done);
    let mut peer = Peer::of(limits(), move |incoming| {
        let tells = std::sync::Arc::clone(&tells);
        Box::pin(async move {
            let mut fields = HeaderMap::new();
            let long = http::HeaderValue::try_from("x".repeat(1000)).unwrap();
            fields.insert("x-long", long);
            for _ in 0..1000 {
                let (status, fields) = (StatusCode::EARLY_HINTS, fields.clone());
                incoming.interim.send(status, fields);
                tokio::task::yield_now().await;
            }
            tells.notify_one();
            answer(Response::new(Body::Empty))
        })
    });
    peer.send(CLOSE.as_bytes()).await;
    done.notified().await;
    let all = peer.rest().await;
    let count = all.matches("HTTP/1.1 103").count();
    assert!((10..50).contains(&count), "{count}");
    assert!(all.contains("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn bytes_flow_both_ways_after_switching_with_what_was_sent_ahead() {
    let (tunnel, far) = tokio::io::duplex(1024);
    let tunnel = std::sync::Mutex::new(Some(tunnel));
    let mut peer = Peer::of(limits(), move |incoming| {
        assert_eq!(incoming.upgrade.as_deref(), Some("websocket"));
        let tunnel = tunnel.lock().unwrap().take().unwrap();
        Box::pin(async move {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let mut answer = answer(response);
            answer.tunnel = Some(Box::new(tunnel));
            answer
        })
    });
    peer.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nahead",
    )
    .await;
    assert!(peer.until("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    let (mut read, mut write) = tokio::io::split(far);
    let mut ahead = [0; 5];
    tokio::io::AsyncReadExt::read_exact(&mut read, &mut ahead)
        .await
        .unwrap();
    assert_eq!(&ahead, b"ahead");
    tokio::io::AsyncWriteExt::write_all(&mut write, b"back")
        .await
        .unwrap();
    assert_eq!(peer.until("back").await, "back");
    drop((read, write));
    assert_eq!(peer.rest().await, "");
}

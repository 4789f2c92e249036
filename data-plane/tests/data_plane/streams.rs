//! Answers without an end are passed on as they come.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use http::Request;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    gateway::Gateway,
    http2::{PATIENCE, gateway_to, speak},
    upstream::{self, read_request},
};

/// Sends an event, waits until its client is known to have seen it (or for this long), and sends another one.
fn events(seen: mpsc::Receiver<()>, pause: Duration) -> SocketAddr {
    let seen = Arc::new(Mutex::new(seen));
    upstream::scripted(move |mut socket| {
        let _ = read_request(&mut socket);
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                     Transfer-Encoding: chunked\r\n\r\n";
        let _ = socket.write_all(head);
        let _ = socket.write_all(b"d\r\ndata: first\n\n\r\n");
        let _ = seen.lock().unwrap().recv_timeout(pause);
        let _ = socket.write_all(b"e\r\ndata: second\n\n\r\n0\r\n\r\n");
    })
}

/// Reads from a connection until this has come.
fn read_until(socket: &mut TcpStream, what: &str) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 1024];
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while !String::from_utf8_lossy(&text).contains(what) {
        let bytes = socket.read(&mut piece).unwrap();
        assert!(bytes > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&piece[..bytes]);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_client_of_http1_sees_an_event_before_the_next_is_sent() {
    let (tell, seen) = mpsc::sync_channel(1);
    let mut gateway = Gateway::start().await;
    gateway.apply(&gateway_to(events(seen, PATIENCE), &json!({}), &json!({})));
    let address = gateway.node.http;
    let reading = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let first = read_until(&mut socket, "data: first\n\n");
        assert!(!first.contains("second"));
        tell.send(()).unwrap();
        read_until(&mut socket, "data: second\n\n");
    });
    reading.await.unwrap();
}

#[tokio::test]
async fn a_client_of_http2_sees_an_event_before_the_next_is_sent() {
    let (tell, seen) = mpsc::sync_channel(1);
    let mut gateway = Gateway::start().await;
    gateway.apply(&gateway_to(events(seen, PATIENCE), &json!({}), &json!({})));
    let socket = tokio::net::TcpStream::connect(gateway.node.http).await;
    let requests = speak(socket.unwrap()).await;
    let mut ready = requests.clone().ready().await.unwrap();
    let request = Request::get("http://shop.test/").body(()).unwrap();
    let (response, _) = ready.send_request(request, true).unwrap();
    let mut body = timeout(PATIENCE, response)
        .await
        .unwrap()
        .unwrap()
        .into_body();
    let first = timeout(PATIENCE, body.data()).await.unwrap().unwrap();
    assert_eq!(first.unwrap(), "data: first\n\n");
    tell.send(()).unwrap();
    let second = timeout(PATIENCE, body.data()).await.unwrap().unwrap();
    assert_eq!(second.unwrap(), "data: second\n\n");
}

#[tokio::test]
async fn events_are_not_bound_by_the_time_of_a_request_but_by_silence_and_the_stream_s_time() {
    for (service, whole) in [
        (json!({"request_timeout_ms": 50}), true),
        (
            json!({"request_timeout_ms": 50, "idle_timeout_ms": 50}),
            false,
        ),
        (
            json!({"request_timeout_ms": 50, "max_stream_duration_ms": 50}),
            false,
        ),
    ] {
        // Nobody tells: that is the time that passes.
        let (_never, seen) = mpsc::sync_channel(1);
        let target = events(seen, Duration::from_millis(300));
        let mut gateway = Gateway::start().await;
        gateway.apply(&gateway_to(target, &service, &json!({})));
        let answer = gateway.get("/").await;
        assert!(answer.contains("first"), "{service}: {answer}");
        assert_eq!(answer.contains("second"), whole, "{service}: {answer}");
    }
}

//! A node that ends while clients go on sending.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    time::Duration,
};

use gatewright_proto::Kind;
use serde_json::json;

use crate::{gateway::Gateway, upstream};

/// Sends again and again on one connection until it is told to leave; how many answers it got.
fn ask_until_told_to_leave(address: SocketAddr, begun: &mpsc::SyncSender<()>) -> usize {
    let mut socket = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).unwrap();
    for answered in 1.. {
        socket
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let head = read_answer(&mut socket);
        assert!(head.starts_with("http/1.1 200"), "{head}");
        if head.contains("\r\nconnection: close\r\n") {
            return answered;
        }
        let _ = begun.try_send(());
        // Idle for a moment, as clients are; the node may begin to drain just then.
        std::thread::yield_now();
    }
    unreachable!("a loop without an end")
}

/// Reads an answer, with its body; its head in lower case.
fn read_answer(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    socket.read_exact(&mut vec![0; length]).unwrap();
    head
}

#[tokio::test]
async fn clients_that_keep_sending_on_their_connections_lose_no_request() {
    let mut gateway = Gateway::start().await;
    let service = json!({"name": "s", "url": format!("http://{}", upstream::echo())});
    let route = json!({"name": "r", "service": "s"});
    gateway.apply(&[(Kind::Service, service), (Kind::Route, route)]);
    let (address, (begun, begins)) = (gateway.node.http, mpsc::sync_channel(1024));
    let ask = || {
        let begun = begun.clone();
        tokio::task::spawn_blocking(move || ask_until_told_to_leave(address, &begun))
    };
    let clients: Vec<_> = (0..8).map(|_| ask()).collect();
    drop(begun);
    let all_busy = move || {
        for _ in 0..100 {
            begins.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    };
    tokio::task::spawn_blocking(all_busy).await.unwrap();
    gateway.node.drain().await;
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}

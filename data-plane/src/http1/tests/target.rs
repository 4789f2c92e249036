//! A target of the client under test.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gatewright_proto::v1;
use http::{HeaderMap, Method, Request, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use super::super::client::{Outgoing, Pool};
use crate::{
    body::Body,
    connect::{Link, Origin},
    exchange::Interim,
};

/// Where the target is, and how often somebody connected to it.
pub(super) struct Target {
    pub(super) origin: Origin,
    pub(super) accepted: Arc<AtomicUsize>,
    pub(super) pool: Pool,
}

impl Target {
    /// Runs a script on each connection.
    pub(super) async fn of<F, R>(script: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                socket.set_nodelay(true).unwrap();
                tokio::spawn(script(socket));
            }
        });
        Self {
            origin: Origin {
                address,
                name: None,
                client: None,
                link: Arc::new(Link::new(None, v1::Protocol::Http1)),
            },
            accepted,
            pool: Pool::default(),
        }
    }

    /// Answers every request with these bytes, in these pieces.
    pub(super) async fn answering(pieces: Vec<Vec<u8>>) -> Self {
        Self::of(move |mut socket| {
            let pieces = pieces.clone();
            async move {
                while !read_head(&mut socket).await.is_empty() {
                    for piece in &pieces {
                        socket.write_all(piece).await.unwrap();
                        // The client gets to read in between.
                        for _ in 0..4 {
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
        })
        .await
    }

    /// How often somebody connected.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Reads a request's head; empty when the client closed.
pub(super) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// A request with this body, and where its interim answers go.
pub(super) fn outgoing(
    method: Method,
    body: Body,
) -> (Outgoing, mpsc::Receiver<(StatusCode, HeaderMap)>) {
    let (sender, interim) = mpsc::channel(Interim::MAX);
    let request = Request::builder()
        .method(method)
        .uri("/x?y")
        .header("host", "a")
        .body(body)
        .unwrap();
    let outgoing = Outgoing {
        request,
        upgrade: None,
        interim: Interim::new(sender),
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Some(Duration::from_secs(10)),
        given_up_after: None,
        began: Instant::now(),
    };
    (outgoing, interim)
}

/// A GET.
pub(super) fn get() -> Outgoing {
    outgoing(Method::GET, Body::Empty).0
}

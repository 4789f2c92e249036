//! A target that a test writes, for the client under test.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use gatewright_proto::v1::Protocol;
use h2::{
    RecvStream,
    server::{Builder, SendResponse},
};
use http::{Method, Request};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

use super::{super::client::Pool, peer::PATIENCE};
use crate::{
    body::Body,
    connect::{Link, Origin, SendError},
    exchange::Interim,
    http1::client::{Outgoing, Received},
};

/// A target that speaks HTTP/2 in plain text.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    /// Ends all connections when dropped.
    _tasks: JoinSet<()>,
}

impl Target {
    /// Answers each stream with what the script makes of it, in a task of its own.
    pub(super) async fn of<F, A>(builder: Builder, script: F) -> Self
    where
        F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> A + Send + Clone + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (builder, script) = (builder.clone(), script.clone());
                serving.spawn(async move {
                    let mut frames = builder.handshake(socket).await.unwrap();
                    while let Some(Ok((request, respond))) = frames.accept().await {
                        tokio::spawn(script(request, respond));
                    }
                });
            }
        });
        Self {
            address,
            connections,
            _tasks: tasks,
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin {
            address: self.address,
            name: None,
            client: None,
            link: Arc::new(Link::new(None, Protocol::Http2)),
        }
    }

    pub(super) async fn send(
        &self,
        pool: &Pool,
        outgoing: &mut Outgoing,
    ) -> Result<Received, SendError> {
        tokio::time::timeout(PATIENCE, pool.send(&self.origin(), outgoing))
            .await
            .unwrap()
    }
}

/// A request for a target.
pub(super) fn outgoing(method: Method, body: Body) -> Outgoing {
    let request = Request::builder()
        .method(method)
        .uri("/path?query")
        .header("host", "target.test")
        .body(body)
        .unwrap();
    Outgoing {
        request,
        upgrade: None,
        interim: Interim::none(),
        connect_timeout: PATIENCE,
        idle_timeout: Some(PATIENCE),
        given_up_after: None,
        began: Instant::now(),
    }
}

pub(super) fn get() -> Outgoing {
    outgoing(Method::GET, Body::Empty)
}

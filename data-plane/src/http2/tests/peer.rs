//! A client of the server under test, and the request path behind it.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use gatewright_engine::Rejection;
use h2::{
    RecvStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request, Response};
use tokio::{io::duplex, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::super::server::serve;
use crate::{
    body::Body,
    exchange::{Answer, Connection, Exchange, Incoming, Protocol},
    proxy::{HalfClose, Limits},
    telemetry::Record,
};

/// What every wait in these tests is bounded by.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) type Answered = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request path that a test writes.
struct Scripted<F> {
    limits: Limits,
    script: F,
}

impl<F: Fn(Incoming) -> Answered + Send + Sync + 'static> Exchange for Scripted<F> {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn serve(
        &self,
        _: &Arc<Connection>,
        incoming: Box<Incoming>,
    ) -> impl Future<Output = Answer> + Send {
        (self.script)(*incoming)
    }

    fn refuse(&self, _: &Arc<Connection>, rejection: &Rejection) -> Answer {
        answer(rejection.into_response("id").map(Body::Full))
    }
}

/// Bounds that no test meets by accident.
pub(super) const fn limits() -> Limits {
    Limits {
        head_bytes: 4096,
        header_count: 20,
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        body_bytes: 0,
        concurrent_streams: 8,
        half_close: HalfClose::Abort,
        tunnel_grace: PATIENCE,
    }
}

pub(super) fn answer(response: Response<Body>) -> Answer {
    Answer {
        response: Box::new(response),
        request_id: None,
        tunnel: None,
        close: false,
        record: Record::none(),
    }
}

/// Answers with the request's body.
pub(super) fn echo(incoming: Incoming) -> Answered {
    Box::pin(async move { answer(Response::new(incoming.request.into_body())) })
}

/// Answers with the request's head as text.
pub(super) fn describe(incoming: Incoming) -> Answered {
    Box::pin(async move {
        let request = &incoming.request;
        let mut text = format!("{} {}", request.method(), request.uri());
        for (name, value) in request.headers() {
            text.push_str(&format!("\n{name}: {}", value.to_str().unwrap()));
        }
        answer(Response::new(Body::Full(text.into())))
    })
}

/// A connection to a server.
pub(super) struct Peer {
    pub(super) requests: SendRequest<Bytes>,
    pub(super) drain: CancellationToken,
    pub(super) server: JoinHandle<()>,
    pub(super) driver: JoinHandle<Result<(), h2::Error>>,
}

impl Peer {
    /// To a server with this request path.
    pub(super) async fn of<F>(limits: Limits, script: F) -> Self
    where
        F: Fn(Incoming) -> Answered + Send + Sync + 'static,
    {
        let (near, far) = duplex(16 * 1024);
        let address = ([127, 0, 0, 1], 1).into();
        let connection = Arc::new(Connection::new(address, address, None, Protocol::Http2));
        let drain = CancellationToken::new();
        let exchange = Arc::new(Scripted { limits, script });
        let server = tokio::spawn(serve(far, connection, exchange, drain.clone()));
        let (requests, frames) = h2::client::handshake(near).await.unwrap();
        Self {
            requests,
            drain,
            server,
            driver: tokio::spawn(frames),
        }
    }

    /// Sends a request without a body.
    pub(super) fn send(&mut self, request: Request<()>) -> ResponseFuture {
        self.requests.send_request(request, true).unwrap().0
    }

    /// Sends one and reads its whole answer.
    pub(super) async fn ask(&mut self, request: Request<()>) -> Whole {
        let response = self.send(request);
        whole(response).await.unwrap()
    }
}

/// A GET of this path, to change.
pub(super) fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://shop.test{path}"))
}

/// An answer that has been read.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) trailers: Option<HeaderMap>,
}

/// Reads an answer to its end.
pub(super) async fn whole(response: ResponseFuture) -> Result<Whole, h2::Error> {
    let response = timeout(PATIENCE, response).await.unwrap()?;
    let (parts, mut stream) = response.into_parts();
    let (body, trailers) = timeout(PATIENCE, drained(&mut stream)).await.unwrap()?;
    Ok(Whole {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        trailers,
    })
}

/// Reads a stream to its end.
pub(super) async fn drained(
    stream: &mut RecvStream,
) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len())?;
    }
    Ok((body.freeze(), stream.trailers().await?))
}

//! A client of the server under test, and the request path behind it.

use std::{pin::Pin, sync::Arc, time::Duration};

use gatewright_engine::Rejection;
use http::Response;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::super::server::serve;
use crate::{
    body::Body,
    exchange::{Answer, Connection, Exchange, Incoming, Protocol},
    proxy::{HalfClose, Limits},
    telemetry::Record,
};

/// What every wait in these tests is bounded by.
const PATIENCE: Duration = Duration::from_secs(10);

type Answered = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request path that a test writes.
pub(super) struct Scripted<F> {
    pub(super) limits: Limits,
    pub(super) script: F,
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
        Answer {
            close: true,
            ..answer(rejection.into_response("id").map(Body::Full))
        }
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
        concurrent_streams: 1,
        half_close: HalfClose::Abort,
        tunnel_grace: PATIENCE,
    }
}

/// An answer that keeps the connection.
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

/// A connection to a server.
pub(super) struct Peer {
    pub(super) io: DuplexStream,
    pub(super) drain: CancellationToken,
    pub(super) task: JoinHandle<()>,
}

impl Peer {
    /// To a server with this request path.
    pub(super) fn of<F>(limits: Limits, script: F) -> Self
    where
        F: Fn(Incoming) -> Answered + Send + Sync + 'static,
    {
        Self::through(limits, script, |io| io)
    }

    /// To a server that writes through something.
    pub(super) fn through<F, Io>(
        limits: Limits,
        script: F,
        wrap: impl FnOnce(DuplexStream) -> Io,
    ) -> Self
    where
        F: Fn(Incoming) -> Answered + Send + Sync + 'static,
        Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (io, far) = duplex(16 * 1024);
        let address = ([127, 0, 0, 1], 1).into();
        let connection = Arc::new(Connection::new(address, address, None, Protocol::Http1));
        let drain = CancellationToken::new();
        let exchange = Arc::new(Scripted { limits, script });
        let task = tokio::spawn(serve(wrap(far), connection, exchange, drain.clone()));
        Self { io, drain, task }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.io.write_all(bytes))
            .await
            .unwrap()
            .unwrap();
    }

    /// Everything up to and with these words.
    pub(super) async fn until(&mut self, words: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(words.as_bytes()) {
            let byte = timeout(PATIENCE, self.io.read_u8()).await;
            match byte {
                Ok(Ok(byte)) => read.push(byte),
                other => panic!("{other:?} after {}", String::from_utf8_lossy(&read)),
            }
        }
        String::from_utf8(read).unwrap()
    }

    /// Everything until the server closes.
    pub(super) async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        timeout(PATIENCE, self.io.read_to_end(&mut read))
            .await
            .unwrap()
            .unwrap();
        String::from_utf8(read).unwrap()
    }

    /// Waits until the server has let the connection go.
    pub(super) async fn gone(self) {
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

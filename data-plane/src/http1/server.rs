//! The client side of the gateway: a connection that sends requests.
//!
//! One task a connection: it reads a head, runs the request path, writes the answer, and begins again. A
//! request's body shares the connection with it ([`state`]); both are polled by this one task, so the
//! lock between them is never waited for.

mod answer;
mod body;
mod ending;
mod state;
mod tunnel;

use std::{
    future::poll_fn,
    ops::ControlFlow,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use gatewright_engine::{Code, Rejection};
use http::{HeaderMap, Method, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    encode,
    outbox::Outbox,
    request::{Head, parse},
    scan::Scan,
};
use crate::{
    body::Body,
    exchange::{Answer, Connection, Exchange, Interim, InterimQueue},
    proxy::{HalfClose, Limits},
};
use body::RequestBody;
use state::{State, lock};

/// How long an idle connection is kept when the node drains. A client that sends again and again gets to
/// hear `Connection: close`; closed at once, it might be sending just then, and could not tell whether that
/// was served.
const LAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a connection until it ends. After `drain` is cancelled it closes when the exchange in flight is
/// over, or the next one where there is none, with `Connection: close`.
pub async fn serve<Io, E>(
    io: Io,
    connection: Arc<Connection>,
    exchange: Arc<E>,
    drain: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    E: Exchange,
{
    // Its own, as a token has a lock, which all connections of all workers would take at every request.
    let drain = drain.child_token();
    let mut server = Server {
        state: Arc::new(Mutex::new(State::new(io))),
        connection,
        exchange,
        cancelled: Box::pin(drain.clone().cancelled_owned()),
        drain,
        outbox: Outbox::default(),
        interim: Arc::default(),
        has_body: false,
        waits_for_drain: false,
        answered: None,
    };
    while server.next().await.is_continue() {}
}

struct Server<Io, E> {
    state: Arc<Mutex<State<Io>>>,
    connection: Arc<Connection>,
    exchange: Arc<E>,
    drain: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    outbox: Outbox,
    interim: Arc<InterimQueue>,
    /// Whether the request in flight has a body; without one, none is left to be read.
    has_body: bool,
    /// Whether this task will be woken when draining begins.
    waits_for_drain: bool,
    /// When the last answer was written, until somebody needs to know.
    answered: Option<Instant>,
}

/// What the answer depends on of the request.
#[derive(Clone, Copy)]
struct Asked {
    head: bool,
    version: Version,
    keep: bool,
    /// It was no request: what follows it cannot be read.
    refused: bool,
}

/// Why no head came.
enum NoHead {
    /// The connection is over, or may as well be.
    Over,
    /// What came is not a request.
    Refused(Box<Rejection>),
}

impl<Io: AsyncRead + AsyncWrite + Send + Unpin + 'static, E: Exchange> Server<Io, E> {
    /// One request and its answer. Breaks when the connection is over.
    async fn next(&mut self) -> ControlFlow<()> {
        let head = match self.head().await {
            Ok(head) => head,
            Err(NoHead::Over) => {
                self.shutdown().await;
                return ControlFlow::Break(());
            }
            Err(NoHead::Refused(rejection)) => {
                let answer = self.exchange.refuse(&self.connection, &rejection);
                let asked = Asked {
                    head: false,
                    version: Version::HTTP_11,
                    keep: false,
                    refused: true,
                };
                return self.write(answer, asked).await;
            }
        };
        let asked = Asked {
            head: *head.incoming.request.method() == Method::HEAD,
            version: head.incoming.request.version(),
            keep: head.keep,
            refused: false,
        };
        match self.answer(head).await {
            Some(answer) => self.write(answer, asked).await,
            None => ControlFlow::Break(()),
        }
    }

    /// Reads a head.
    async fn head(&mut self) -> Result<Head, NoHead> {
        let (limits, mut scan) = (self.exchange.limits(), Scan::default());
        let (mut patience, mut leaving) = (limits.idle_timeout, false);
        let (state, drain) = (&self.state, &self.drain);
        let (cancelled, registered) = (&mut self.cancelled, &mut self.waits_for_drain);
        let (mut rested, mut since) = (false, self.answered.take());
        poll_fn(|context| {
            let state = &mut *lock(state);
            if !std::mem::replace(&mut rested, true) {
                state.rest();
            }
            loop {
                match parse(&mut state.input, &mut scan, limits) {
                    Ok(Some(head)) => {
                        state.deadline.stop();
                        return Poll::Ready(Ok(head));
                    }
                    Ok(None) => {}
                    Err(rejection) => {
                        return Poll::Ready(Err(NoHead::Refused(Box::new(rejection))));
                    }
                }
                let begun = !state.input.is_empty();
                match state.poll_fill(context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(NoHead::Over)),
                    Poll::Ready(Ok(_)) => {
                        // The time for a head runs from its first byte.
                        if !begun {
                            state.deadline.stop();
                        }
                    }
                    Poll::Pending if begun => {
                        let late = state.deadline.poll(limits.head_timeout, context);
                        return late.map(|()| Err(late_head()));
                    }
                    Poll::Pending => {
                        // Once registered, this task is woken when draining begins; to look is cheaper.
                        let mut drained = || match std::mem::replace(registered, true) {
                            true => drain.is_cancelled(),
                            false => cancelled.as_mut().poll(context).is_ready(),
                        };
                        if !leaving && drained() {
                            leaving = true;
                            patience = patience.min(LAST_REQUEST_TIMEOUT);
                            state.deadline.stop();
                        }
                        if let Some(since) = since.take() {
                            state.deadline.start_at(since.into(), patience);
                        }
                        let late = state.deadline.poll(patience, context);
                        return late.map(|()| Err(NoHead::Over));
                    }
                }
            }
        })
        .await
    }

    /// Runs the request path. None where the client went away.
    async fn answer(&mut self, head: Head) -> Option<Answer> {
        let mut incoming = head.incoming;
        self.has_body = !head.decoder.is_end();
        if self.has_body {
            let number = lock(&self.state).begin_body(head.decoder, head.expects);
            let (state, timeout) = (Arc::clone(&self.state), self.exchange.limits().body_timeout);
            let body = RequestBody::new(state, number, timeout);
            *incoming.request.body_mut() = Body::Stream(Box::pin(body));
        }
        // HTTP/1.0 knows no interim answers.
        if incoming.request.version() == Version::HTTP_11 {
            incoming.interim = Interim::queue(Arc::clone(&self.interim));
        }
        // What a request before this one left behind is not for this one.
        self.interim.begin();
        let mut served = pin!(self.exchange.serve(&self.connection, incoming));
        let (state, interim, outbox) = (&self.state, &self.interim, &mut self.outbox);
        let limits = self.exchange.limits();
        poll_fn(|context| {
            let served = served.as_mut().poll(context);
            // A client that takes nothing gets no more of them: those that find no place are dropped.
            while (outbox.has_room() || served.is_ready())
                && let Some((status, headers)) = interim.pop()
            {
                if status == StatusCode::CONTINUE {
                    lock(state).wanted = true;
                } else {
                    encode::interim(outbox.front(), status, &headers);
                }
            }
            if let Poll::Ready(answer) = served {
                return Poll::Ready(Some(answer));
            }
            let mut state = lock(state);
            if state.wanted && std::mem::take(&mut state.expects) {
                // Once, whoever asked for it first: the upstream, or what reads the body.
                encode::interim(outbox.front(), StatusCode::CONTINUE, &HeaderMap::new());
            }
            if !outbox.is_empty()
                && let Poll::Ready(Err(_)) = outbox.poll_send(&mut state.io, context)
            {
                return Poll::Ready(None);
            }
            if state.decoder.is_end() {
                watch(&mut state, limits, context)
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

/// Notices that the client goes away while it waits. Requests that it sends ahead are kept, up to a bound.
fn watch<Io: AsyncRead + Unpin, T>(
    state: &mut State<Io>,
    limits: &Limits,
    context: &mut Context<'_>,
) -> Poll<Option<T>> {
    while state.input.len() < limits.head_bytes {
        match state.poll_fill(context) {
            Poll::Ready(Ok(0)) if limits.half_close == HalfClose::Answer => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
            Poll::Ready(Ok(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Pending
}

fn late_head() -> NoHead {
    let detail = "the head did not arrive in time";
    NoHead::Refused(Box::new(Rejection::new(Code::RequestTimeout, detail)))
}

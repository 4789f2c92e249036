//! Questions of plugins to others over HTTP.
//!
//! They are asked on the runtime of control traffic, since connections are kept and belong to the runtime that
//! opened them, while requests come from all workers.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use gatewright_engine::{
    Tls, TlsSettings,
    plugin::{Answering, CallError, Caller, Question, Server},
};
use gatewright_proto::v1::Protocol;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use tokio::{
    net::lookup_host,
    runtime::Handle,
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    body::Body,
    connect::{Link, Origin, SendError},
    exchange::Interim,
    http1::client::{Outgoing, Pool},
};

/// Most questions at a time, of all plugins of the node.
const MAX_QUESTIONS: usize = 4096;

/// Asks over HTTP/1.1, and keeps connections.
#[derive(Debug)]
pub(crate) struct HttpCaller {
    runtime: Handle,
    pool: Arc<Pool>,
    places: Arc<Semaphore>,
}

impl HttpCaller {
    /// On this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            pool: Arc::new(Pool::default()),
            places: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        }
    }
}

impl Caller for HttpCaller {
    fn call(&self, question: Question) -> Answering {
        let (runtime, pool) = (self.runtime.clone(), Arc::clone(&self.pool));
        let places = Arc::clone(&self.places);
        Box::pin(async move {
            let place = places.try_acquire_owned().map_err(|_| CallError::Busy)?;
            let asking = runtime.spawn(async move {
                let _place = place;
                let limit = question.timeout;
                let answer = timeout(limit, ask(&pool, &question)).await;
                answer.unwrap_or(Err(CallError::Timeout))
            });
            let answer = AbortOnDropHandle::new(asking).await;
            answer.unwrap_or(Err(CallError::Failed))
        })
    }
}

async fn ask(pool: &Pool, question: &Question) -> Result<Response<Bytes>, CallError> {
    let origin = origin(&question.server).await?;
    let mut sent = pool.send(&origin, &mut outgoing(question)).await;
    // A kept connection may have been closed meanwhile by the other side; that is no answer of theirs.
    if matches!(sent, Err(SendError::Closed { reused: true })) {
        sent = pool.send(&origin, &mut outgoing(question)).await;
    }
    let received = sent.map_err(|_| CallError::Failed)?;
    let (parts, body) = received.response.into_parts();
    let body = Limited::new(body, question.max_bytes).collect().await;
    let body = body.map_err(|_| CallError::Failed)?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

async fn origin(server: &Server) -> Result<Origin, CallError> {
    let found = lookup_host((&*server.host, server.port)).await;
    let address: Option<SocketAddr> = found.map_err(|_| CallError::Failed)?.next();
    let tls = server
        .secure
        .then(|| Arc::new(Tls::new(TlsSettings::default())));
    Ok(Origin {
        address: address.ok_or(CallError::Failed)?,
        name: server.secure.then(|| Arc::clone(&server.host)),
        client: None,
        link: Arc::new(Link::new(tls, Protocol::Http1)),
    })
}

fn outgoing(question: &Question) -> Outgoing {
    let asked = &question.request;
    let mut request = Request::new(match asked.body().is_empty() {
        true => Body::Empty,
        false => Body::Full(asked.body().clone()),
    });
    *request.method_mut() = asked.method().clone();
    *request.uri_mut() = asked.uri().clone();
    *request.headers_mut() = asked.headers().clone();
    Outgoing {
        request,
        upgrade: None,
        interim: Interim::none(),
        connect_timeout: question.timeout,
        idle_timeout: None,
        given_up_after: None,
        began: Instant::now(),
    }
}

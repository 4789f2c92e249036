//! Questions of plugins to others over HTTP.
//!
//! They are asked on the runtime of control traffic, since connections are kept and belong to the runtime that
//! opened them, while requests come from all workers.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use gatewright_engine::plugin::{Answering, CallError, Caller, Question, Server, Trailers};
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
    http1::{
        self,
        client::{Outgoing, Received},
    },
    http2,
    telemetry::CallMetrics,
};

/// Most questions at a time, of all plugins of the node.
const MAX_QUESTIONS: usize = 4096;

/// How often a question is sent again because a connection that was kept had been closed.
const MAX_STALE: usize = 2;

/// Asks over HTTP/1.1 and HTTP/2, and keeps connections.
#[derive(Debug)]
pub(crate) struct HttpCaller {
    runtime: Handle,
    pools: Arc<Pools>,
    places: Arc<Semaphore>,
    metrics: Arc<CallMetrics>,
}

#[derive(Debug, Default)]
struct Pools {
    http1: http1::client::Pool,
    http2: http2::client::Pool,
}

impl HttpCaller {
    /// On this runtime.
    pub(crate) fn new(runtime: Handle, metrics: Arc<CallMetrics>) -> Self {
        Self {
            runtime,
            pools: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            metrics,
        }
    }
}

impl Caller for HttpCaller {
    fn call(&self, question: Question) -> Answering {
        let (runtime, pools) = (self.runtime.clone(), Arc::clone(&self.pools));
        let (places, metrics) = (Arc::clone(&self.places), Arc::clone(&self.metrics));
        Box::pin(async move {
            let (plugin, began) = (Arc::clone(&question.plugin), Instant::now());
            let answer = match places.try_acquire_owned() {
                Err(_) => Err(CallError::Busy),
                Ok(place) => {
                    let asking = runtime.spawn(async move {
                        let _place = place;
                        let answer = timeout(question.timeout, pools.ask(&question)).await;
                        answer.unwrap_or(Err(CallError::Timeout))
                    });
                    let answer = AbortOnDropHandle::new(asking).await;
                    answer.unwrap_or(Err(CallError::Failed))
                }
            };
            metrics.count(&plugin, answer.as_ref().err(), began.elapsed());
            answer
        })
    }
}

impl Pools {
    async fn ask(&self, question: &Question) -> Result<Response<Bytes>, CallError> {
        let origin = origin(&question.server).await?;
        let received = self.send(&origin, question).await?;
        let (mut parts, body) = received.response.into_parts();
        let body = Limited::new(body, question.max_bytes).collect().await;
        let body = body.map_err(|_| CallError::Failed)?;
        if let Some(trailers) = body.trailers() {
            parts.extensions.insert(Trailers(trailers.clone()));
        }
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    /// A kept connection may have been closed meanwhile by the other side; that is no answer of theirs.
    async fn send(&self, origin: &Origin, question: &Question) -> Result<Received, CallError> {
        let mut stale = 0;
        loop {
            let mut outgoing = outgoing(question);
            let sent = match origin.link.protocol {
                Protocol::Http1 => self.http1.send(origin, &mut outgoing).await,
                Protocol::Http2 => self.http2.send(origin, &mut outgoing).await,
            };
            match sent {
                Err(SendError::Closed { reused: true } | SendError::Refused)
                    if stale < MAX_STALE =>
                {
                    stale += 1;
                }
                sent => return sent.map_err(|_| CallError::Failed),
            }
        }
    }
}

async fn origin(server: &Server) -> Result<Origin, CallError> {
    Ok(Origin {
        address: resolve(server).await?,
        name: server.tls.is_some().then(|| Arc::clone(&server.host)),
        client: None,
        link: Arc::new(Link::new(server.tls.clone(), server.protocol)),
    })
}

/// Where somebody is.
///
/// # Errors
/// No name server knows.
pub(crate) async fn resolve(server: &Server) -> Result<SocketAddr, CallError> {
    let found = lookup_host((&*server.host, server.port)).await;
    let address = found.map_err(|_| CallError::Failed)?.next();
    address.ok_or(CallError::Failed)
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

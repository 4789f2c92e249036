//! What plugins need done outside the engine, which has no threads and no sockets. The node hands it in
//! with the [`super::Registry`]; the control plane, which only checks settings, has none of it.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use gatewright_proto::v1::Protocol;
use http::{HeaderMap, Request, Response};

use crate::Tls;

/// What the node does for its plugins. What is missing makes a plugin that needs it refuse requests.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// For what would stall a worker.
    pub heavy: Option<Arc<dyn Heavy>>,
    /// For questions to others over HTTP.
    pub caller: Option<Arc<dyn Caller>>,
}

/// Runs what takes long on threads of its own, a bounded number at a time.
pub trait Heavy: Send + Sync + fmt::Debug {
    /// Begins a job, or queues it; none where too many wait already.
    fn run(&self, job: Job) -> Option<Pending>;
}

/// A question that takes long to answer.
pub type Job = Box<dyn FnOnce() -> bool + Send>;

/// Its answer; none where nobody answers any more. Dropped, a job that has not begun never does.
pub type Pending = Pin<Box<dyn Future<Output = Option<bool>> + Send>>;

/// Asks others over HTTP, a bounded number of questions at a time.
pub trait Caller: Send + Sync + fmt::Debug {
    /// Asks; nothing begins before the first poll, and dropping it ends it.
    fn call(&self, question: Question) -> Answering;
}

/// A question, and what it may take.
#[derive(Debug)]
pub struct Question {
    /// Name of the instance that asks, for the metrics.
    pub plugin: Arc<str>,
    /// Whom to ask.
    pub server: Arc<Server>,
    /// Path and query in the URI; `Host` set.
    pub request: Request<Bytes>,
    /// For all of it: name, connection, head and body of the answer.
    pub timeout: Duration,
    /// Longest body of an answer.
    pub max_bytes: usize,
}

/// Somebody who can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// TLS that is spoken there, if it is.
    pub tls: Option<Arc<Tls>>,
    /// Version of HTTP, where it is HTTP.
    pub protocol: Protocol,
    /// Name or address.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
}

/// The trailers of an answer, among its extensions where there are any.
#[derive(Clone, Debug)]
pub struct Trailers(pub HeaderMap);

/// The answer to a question.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Bytes>, CallError>> + Send>>;

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Too many are being asked already.
    Busy,
    /// Not in time.
    Timeout,
    /// Cannot be reached, or answers with something that is not HTTP, or too much of it.
    Failed,
}

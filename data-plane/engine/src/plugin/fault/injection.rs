//! A fault for one request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::Code;

/// A fault for one request: met in the place of the service.
#[derive(Debug)]
pub struct Injection {
    /// How long to wait first. At most a minute.
    pub delay: Option<Duration>,
    /// What to answer then; none goes on to the service.
    pub abort: Option<Response<Bytes>>,
    /// How fast the service's answer goes to the client at most, in KiB a second.
    pub pace: Option<u32>,
    _active: Active,
}

impl Injection {
    pub(super) const fn new(
        delay: Option<Duration>,
        abort: Option<Response<Bytes>>,
        pace: Option<u32>,
        active: Active,
    ) -> Self {
        Self {
            delay,
            abort,
            pace,
            _active: active,
        }
    }
}

/// A place among the faults at a time. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Active(Arc<AtomicU32>);

impl Active {
    /// None where there are as many as may be.
    pub(super) fn begin(active: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let before = active.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(active));
        (before < most).then_some(place)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What to answer instead of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abort {
    pub(super) status: Option<StatusCode>,
    pub(super) grpc_status: Option<u32>,
}

impl Abort {
    /// The answer; none where there is only one for requests of the other kind.
    pub(super) fn answer(self, is_grpc: bool) -> Option<Response<Bytes>> {
        match (self.grpc_status, self.status) {
            (Some(status), _) if is_grpc => Some(grpc(status)),
            (_, Some(status)) => Some(plain(status)),
            _ => None,
        }
    }
}

fn plain(status: StatusCode) -> Response<Bytes> {
    let problem = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Fault"),
        "status": status.as_u16(),
        "code": Code::FaultInjected.as_str(),
        "detail": "this answer was asked for by the configuration of the gateway",
    });
    let mut response = Response::new(Bytes::from(problem.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A gRPC answer without messages, whose status is in its head.
fn grpc(status: u32) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert("grpc-status", HeaderValue::from(status));
    let message = HeaderValue::from_static(Code::FaultInjected.as_str());
    headers.insert("grpc-message", message);
    response
}

//! The trace that a request belongs to (W3C Trace Context).
//!
//! Without an exporter a valid trace passes through as it is: a span that nobody records must not stand
//! between the client's and the upstream's.

use http::{HeaderMap, HeaderName};

use super::{Proxy, seen::Seen};
use crate::telemetry::{Record, TraceParent};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

impl Proxy {
    /// Goes on with the client's trace, or begins one where spans are exported.
    pub(super) fn trace(&self, headers: &mut HeaderMap, seen: Seen, record: &mut Record) {
        let tracer = self.telemetry.tracer.as_ref();
        if tracer.is_none() && !seen.traced {
            return;
        }
        let parent = parent(headers);
        if parent.is_none() {
            // What is not valid must not be passed on, nor the state that belongs to it.
            headers.remove(TRACEPARENT);
            headers.remove(TRACESTATE);
        }
        let mut trace_id = parent.map(|parent| parent.trace_id);
        if let Some(tracer) = tracer {
            let ids = tracer.begin(parent);
            headers.insert(TRACEPARENT, ids.onward().value());
            trace_id = Some(ids.trace_id());
            if ids.is_sampled() {
                record.trace(ids);
            }
        }
        record.note(|line| line.trace_id = trace_id);
    }
}

/// What the client says; none where it says two things.
fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let only = values.next()?;
    match values.next() {
        None => TraceParent::parse(only.as_bytes()),
        Some(_) => None,
    }
}

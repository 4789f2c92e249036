//! What becomes of an exchange when it is over: the *record* stage. One access line, metrics, and a
//! span where traces are exported.

mod access_log;
mod attempts;
mod balance;
mod calls;
mod counters;
mod export;
mod health;
mod histogram;
mod labels;
mod latency;
mod line;
mod metrics;
mod names;
mod recent;
mod record;
mod retries;
mod stage;
pub(crate) mod stranglers;
mod timestamp;
mod trace_parent;
mod tracer;

use std::sync::Arc;

pub use access_log::AccessLog;
pub(crate) use calls::CallMetrics;
pub use counters::{RouteMetrics, ServiceMetrics};
pub(crate) use export::export;
pub(crate) use health::HealthMetrics;
pub use labels::{FallbackLabels, MirrorLabels, ProxyHeaderLabels};
pub(crate) use line::Line;
pub use metrics::Metrics;
pub use record::Record;
pub(crate) use record::RequestBytes;
pub use stage::Stage;
pub(crate) use trace_parent::TraceParent;
pub use tracer::Tracer;

/// Where records go.
#[derive(Debug)]
pub struct Telemetry {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Access lines; none where they are off.
    pub access_log: Option<AccessLog>,
    /// Spans; none where they are not exported.
    pub tracer: Option<Tracer>,
}

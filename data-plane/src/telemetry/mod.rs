//! What becomes of an exchange when it is over: the *record* stage. One access line and metrics.

mod access_log;
mod metrics;
mod record;

use std::sync::Arc;

pub use access_log::AccessLog;
pub use metrics::{Metrics, RouteMetrics};
pub(crate) use record::Line;
pub use record::{Record, Stage};

/// Where records go.
#[derive(Debug)]
pub struct Telemetry {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Access lines; none where they are off.
    pub access_log: Option<AccessLog>,
}

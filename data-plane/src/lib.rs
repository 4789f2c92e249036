//! The data plane: does things. Accepts connections, forwards requests, keeps connections to
//! upstreams, follows the control plane. What to do is decided by `gatewright-engine`.
//!
//! A request goes through eight stages, named in [`proxy`]: accept, read, match, admit, pick,
//! forward, respond, record.

pub mod body;
pub mod connect;
pub mod exchange;
pub mod http1;
pub mod http2;
pub mod proxy;
pub mod settings;
pub mod telemetry;

//! The data plane: does things. Accepts connections, forwards requests, keeps connections to
//! upstreams, follows the control plane. What to do is decided by `gatewright-engine`.
//!
//! A request goes through eight stages, named in [`proxy`]: accept, read, match, admit, pick,
//! forward, respond, record. [`Node::start`] is the way in.

pub mod body;
mod caller;
mod config_cache;
mod config_stream;
pub mod connect;
pub mod exchange;
mod fallback;
mod fault;
mod forward;
mod grpc;
mod guard;
mod health;
mod heavy;
pub mod http1;
pub mod http2;
mod listener;
mod local_secrets;
mod mirror;
mod node;
mod overload;
pub mod proxy;
pub mod proxy_protocol;
mod published;
mod readiness;
pub mod settings;
mod status;
pub mod telemetry;
mod tls;
mod tunnel;
mod upstream;
mod websocket;
mod workers;

pub use node::{Node, StartError};
pub use published::{Holding, Published, Publisher};
pub use settings::NodeSettings;

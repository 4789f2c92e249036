//! Decides what the gateway does; does none of it. No sockets, files or tasks here: resources go in,
//! an immutable [`Snapshot`] comes out ([`compile`]), and the data plane asks it which route a
//! request takes, which plugins run, and which target is next.
//!
//! The control plane compiles the would-be configuration with this same code before it commits, so
//! what is accepted can be served.

mod asking_hosts;
pub mod balance;
mod client_certificate;
mod compile;
mod context;
pub mod cookie;
mod der;
pub mod dns;
mod error;
pub mod guard;
pub mod health;
mod identity;
pub mod jwt;
pub mod key_set;
mod last_use;
pub mod live;
pub mod mirror;
mod network;
mod number;
pub mod outcome;
pub mod password;
pub mod path;
pub mod plugin;
pub mod reference;
mod rejection;
mod renewal;
pub mod retry;
mod route;
mod schema;
pub mod secret;
mod set;
mod snapshot;
pub mod split;
pub mod strangler;
mod tls;
pub mod transform;

pub use asking_hosts::AskingHosts;
pub use client_certificate::{ClientCertificate, ClientTls, MAX_CHAIN};
pub use compile::{Compiled, Explainer, Explanation, compile};
pub use context::{Client, Decision, Note, Notes, RequestContext};
pub use error::CompileError;
pub use identity::{Claims, Identity, Methods, Told};
pub use last_use::LastUse;
pub use rejection::{Code, Rejection, Side};
pub use renewal::Renewal;
pub use route::{Considered, Matched, Miss, NeedsBody, Payload, Query};
pub use schema::Violation;
pub use set::{Held, Refused, ResourceSet};
pub use snapshot::{
    Action, Certificate, Consumer, Consumers, Credential, Fixed, Login, Overrides, Redirect, Route,
    Service, Snapshot, Target, Upstream,
};
pub use tls::{Tls, TlsSettings};

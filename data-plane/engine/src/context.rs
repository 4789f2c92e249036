//! All that a plugin may know, and change, of a request.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method};
use smallvec::SmallVec;

use crate::{Consumer, Credential, Route, Snapshot};

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address that is trusted to be the client's: the peer's, or one that a trusted hop forwarded.
    pub address: IpAddr,
    /// Whether the client (or the trusted hop) speaks TLS.
    pub secure: bool,
}

/// The request as plugins see it, after *match*.
#[derive(Debug)]
pub struct RequestContext {
    /// The configuration this exchange sees, from beginning to end.
    pub snapshot: Arc<Snapshot>,
    /// The route it matched.
    pub route: Arc<Route>,
    /// Who sent it.
    pub client: Client,
    /// Its method.
    pub method: Method,
    /// Host, in lower case, without port or trailing dot.
    pub host: Box<str>,
    /// Normalised path.
    pub path: String,
    /// Query, without the question mark.
    pub query: Option<String>,
    /// Header fields, hop-by-hop ones already removed. Edited in place and then forwarded.
    pub headers: HeaderMap,
    /// Who it is from, once a plugin has found out.
    pub consumer: Option<Arc<Consumer>>,
    /// The credential that proved it.
    pub credential: Option<Arc<Credential>>,
    /// Refusals so far, carried out or not.
    pub decisions: SmallVec<[Decision; 1]>,
    /// What plugins leave for their own `on_response`, by instance. Empty for most requests.
    pub notes: SmallVec<[(Arc<str>, Box<dyn std::any::Any + Send + Sync>); 1]>,
}

/// That a plugin refused, for log and metrics.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Name of the instance.
    pub plugin: Arc<str>,
    /// What it said.
    pub code: crate::Code,
    /// Whether it was only recorded (`mode: shadow`).
    pub shadow: bool,
}

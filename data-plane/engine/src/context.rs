//! All that a plugin may know, and change, of a request.

use std::{any::Any, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, uri::PathAndQuery};
use smallvec::SmallVec;

use crate::{
    Claims, ClientCertificate, ClientTls, Consumer, Credential, Methods, Renewal, Route, Snapshot,
    plugin::Injection,
};

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address that is trusted to be the client's: the peer's, or one that a trusted hop forwarded.
    pub address: IpAddr,
    /// Whether the client (or the trusted hop) speaks TLS.
    pub secure: bool,
    /// The TLS that the peer itself speaks, which is a proxy in front where there is one; none without.
    pub tls: Option<Arc<ClientTls>>,
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
    /// Path and query as the client wrote them, where that is not their normalised form.
    pub written: Option<PathAndQuery>,
    /// Whether a body comes with it, maybe an empty one. Never with CONNECT.
    pub has_body: bool,
    /// Header fields, hop-by-hop ones already removed. Edited in place and then forwarded.
    pub headers: HeaderMap,
    /// Who it is from, once a plugin has found out.
    pub consumer: Option<Arc<Consumer>>,
    /// The credential that proved it; none for an anonymous consumer.
    pub credential: Option<Arc<Credential>>,
    /// What the token says that proved it.
    pub claims: Option<Arc<Claims>>,
    /// The client's certificate, once a plugin has found out that it is to be believed. One that was only shown is in
    /// `client.tls`.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// The methods that proved it; none for an anonymous consumer.
    pub authenticated_by: Methods,
    /// Refusals so far, carried out or not.
    pub decisions: SmallVec<[Decision; 1]>,
    /// The fault that it meets where it would be forwarded.
    pub fault: Option<Box<Injection>>,
    /// What is done where the upstream answers 401, before the client hears of it.
    pub renewal: Option<Arc<dyn Renewal>>,
    /// What plugins leave for their own `on_response`. Empty for most requests.
    pub notes: Notes,
}

impl RequestContext {
    /// `https` or `http`, as the client spoke it.
    pub const fn scheme(&self) -> &'static str {
        if self.client.secure { "https" } else { "http" }
    }
}

/// That a plugin refused, for log and metrics. Also recorded, as [`crate::Code::Internal`] and shadow,
/// when its `when` could not be evaluated.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Name of the instance.
    pub plugin: Arc<str>,
    /// What it said.
    pub code: crate::Code,
    /// Why, where there is more to say: snake_case, one of few. Clients are not told.
    pub reason: Option<&'static str>,
    /// Whether it was only recorded (`mode: shadow`).
    pub shadow: bool,
}

/// What plugins leave for their own `on_response`, by the instance's name.
#[derive(Debug, Default)]
pub struct Notes(SmallVec<[(usize, Note); 1]>);

/// One thing left.
#[derive(Debug)]
pub enum Note {
    /// A field value, without an allocation of its own.
    Field(HeaderValue),
    /// Anything else.
    Other(Box<dyn Any + Send + Sync>),
}

impl Notes {
    /// Leaves a note. `owner` is the name that the instance was built with: the very same [`Arc`],
    /// which outlives the exchange, and not merely an equal one.
    pub fn leave(&mut self, owner: &Arc<str>, note: Note) {
        self.0.push((address(owner), note));
    }

    /// The note that this instance left.
    pub fn of(&self, owner: &Arc<str>) -> Option<&Note> {
        let owner = address(owner);
        let mine = |(left_by, _): &&(usize, Note)| *left_by == owner;
        self.0.iter().find(mine).map(|(_, note)| note)
    }
}

/// Identity of an allocation. Comparing it spares each note two updates of a reference count that
/// all cores share.
fn address(owner: &Arc<str>) -> usize {
    Arc::as_ptr(owner).cast::<u8>().addr()
}

//! What ties a request to a target: read once a request, for all of its attempts.

use gatewright_engine::RequestContext;
use http::HeaderMap;

use super::{Address, LiveUpstream};

/// What ties a request to a target.
#[derive(Debug)]
pub(crate) struct Affinity;

/// What ties this request to a target of this upstream.
pub(crate) const fn affinity(_context: &RequestContext, _upstream: &LiveUpstream) -> Affinity {
    Affinity
}

impl Affinity {
    /// Puts on the response of this address what ties the next request to it.
    pub(crate) const fn respond(&self, _address: &Address, _headers: &mut HeaderMap) {}
}

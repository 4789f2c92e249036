//! What ties a request to a target: read once a request, while its head is still there, for all of its
//! attempts.

use gatewright_engine::{
    RequestContext,
    balance::{Generated, Keyed},
    cookie,
};
use http::{HeaderMap, header};

use super::{Address, LiveUpstream, address::Identity};

/// What ties a request to a target.
#[derive(Debug, Default)]
pub(crate) struct Affinity {
    /// What of it is hashed.
    pub(super) key: Option<u64>,
    /// Which target it says it belongs to.
    pub(super) session: Option<Identity>,
    /// Cookies that were made so that the next request has the same key.
    generated: Vec<Generated>,
    secure: bool,
}

/// What ties this request to a target of this upstream. To be called before the request's fields are moved.
pub(crate) fn affinity(context: &RequestContext, upstream: &LiveUpstream) -> Affinity {
    let balance = &upstream.spec.balance;
    let mut affinity = Affinity::default();
    if balance.hash.is_empty() && balance.session.is_none() {
        return affinity;
    }
    affinity.secure = context.client.secure;
    if !balance.hash.is_empty() {
        let keyed = Keyed::new(&balance.hash, context, &mut rand::rng());
        affinity.key = keyed.key;
        affinity.generated = keyed.generated;
    }
    let sent = balance
        .session
        .as_ref()
        .and_then(|session| cookie::find(&context.headers, &session.cookie.name));
    affinity.session = sent.and_then(|value| value.as_bytes().try_into().ok());
    affinity
}

impl Affinity {
    /// Puts on the response of this address what ties the next request to it.
    pub(crate) fn respond(&self, address: &Address, headers: &mut HeaderMap) {
        for made in &self.generated {
            let policy = address.balance.hash.get(made.policy);
            if let Some(field) = policy.and_then(|it| it.set(&made.value, self.secure)) {
                headers.append(header::SET_COOKIE, field);
            }
        }
        let Some(session) = &address.balance.session else {
            return;
        };
        if self.session == Some(address.identity) {
            return;
        }
        let value = String::from_utf8_lossy(&address.identity);
        if let Some(field) = session.cookie.set(&value, self.secure) {
            headers.append(header::SET_COOKIE, field);
        }
    }
}

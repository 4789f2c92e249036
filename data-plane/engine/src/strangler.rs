//! A route whose service takes over from a legacy one, step by step: which of the two a request goes to first, and
//! when it falls through to the legacy. Pure: chance is a parameter.

mod shape;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use crate::{Route, mirror::Share, route::PathRule, split::Backend};
pub use tally::{LegacyPath, Tally, Way};

/// The status of gRPC that says that a method is not there (UNIMPLEMENTED).
const UNIMPLEMENTED: &[u8] = b"12";

/// The two services of a route, and which one is asked first.
#[derive(Debug)]
pub struct Strangler {
    /// The new service, and the legacy. Their weights mean nothing.
    pub backends: [Backend; 2],
    /// Empty is any.
    pub(crate) methods: Box<[Method]>,
    /// Empty is any.
    pub(crate) paths: Box<[PathRule]>,
    /// Which of those the new service is asked for first.
    pub(crate) share: Share,
    /// When and how a request falls through.
    pub fall_through: Arc<FallThrough>,
}

/// When a request goes on to the legacy, and how.
#[derive(Debug)]
pub struct FallThrough {
    /// The route to the legacy alone.
    pub legacy: Arc<Route>,
    /// Statuses that say that the new service has not got it.
    pub(crate) statuses: Box<[u16]>,
    /// How much of a body is kept, to be sent again.
    pub max_body_bytes: usize,
    /// What went where. Kept across configurations.
    pub tally: Arc<Tally>,
}

impl Strangler {
    /// The variant of the route for a request, and which way that is. `length` is that of its body, where it is known.
    pub fn choose(
        &self,
        (method, path): (&Method, &str),
        length: Option<u64>,
        random: u64,
    ) -> (&Arc<Route>, Way) {
        let most = self.fall_through.max_body_bytes;
        let fits = length.is_none_or(|length| usize::try_from(length).is_ok_and(|it| it <= most));
        let meant = (self.methods.is_empty() || self.methods.contains(method))
            && (self.paths.is_empty() || self.paths.iter().any(|it| it.matches(path)));
        let [new, legacy] = &self.backends;
        if fits && meant && self.share.takes(random) {
            (&new.route, Way::New)
        } else {
            (&legacy.route, Way::Legacy)
        }
    }
}

impl FallThrough {
    /// Whether an answer says that the new service has not got it.
    pub fn falls(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let unimplemented = || {
            let grpc = headers.get("grpc-status");
            grpc.is_some_and(|it| it.as_bytes() == UNIMPLEMENTED)
        };
        let asked = |status| self.statuses.contains(&status);
        asked(status.as_u16()) || (status == StatusCode::OK && asked(501) && unimplemented())
    }
}

//! A route over several services: which one a request goes to. Pure: chance is a parameter.
//!
//! A service is chosen before plugins run, and with it a variant of the route that has the chain of that
//! service, so that none is served with less protection than was asked for.

mod rendezvous;
mod sticky;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    Route,
    route::{HeaderRule, ParameterRule},
};
use rendezvous::{Caller, seed};
pub(crate) use sticky::{CookieRule, Sticky};

/// The services of a route and how one is chosen.
#[derive(Debug)]
pub struct Split {
    /// In the order of the resource. At least one has a weight.
    pub backends: Box<[Backend]>,
    pub(crate) sticky: Option<Sticky>,
    pub(crate) canaries: Box<[Canary]>,
}

/// One service of a split.
#[derive(Debug)]
pub struct Backend {
    /// Its name.
    pub service: Arc<str>,
    /// 0 to 1,000,000.
    pub weight: u32,
    /// The route as it is with this service alone.
    pub route: Arc<Route>,
    seed: u64,
}

impl Backend {
    /// A service with this share of the requests.
    pub fn new(service: Arc<str>, weight: u32, route: Arc<Route>) -> Self {
        Self {
            seed: seed(&service),
            service,
            weight,
            route,
        }
    }
}

/// Requests that go to one backend whatever the weights say.
#[derive(Debug)]
pub(crate) struct Canary {
    pub(crate) on: CanaryField,
    /// Its place among the backends.
    pub(crate) backend: usize,
}

#[derive(Debug)]
pub(crate) enum CanaryField {
    Header(HeaderRule),
    Cookie(ParameterRule),
}

impl CanaryField {
    fn matches(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Header(rule) => rule.matches(headers),
            Self::Cookie(rule) => rule.holds_for_cookies(headers),
        }
    }
}

/// What is known of a request when its service is chosen.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Who it is from, where that is known.
    pub consumer: Option<&'a str>,
    /// Whether the client speaks TLS.
    pub secure: bool,
}

/// The service that was chosen.
#[derive(Debug)]
pub struct Choice<'a> {
    /// It.
    pub backend: &'a Backend,
    /// A cookie for the client, which keeps it there.
    pub cookie: Option<HeaderValue>,
}

impl Split {
    /// Whether the service can only be chosen once it is known who the consumer is.
    pub const fn needs_consumer(&self) -> bool {
        matches!(self.sticky, Some(Sticky::Consumer))
    }

    /// Chooses. `random` is uniform.
    pub fn choose(&self, asked: &Asked<'_>, random: u64) -> Choice<'_> {
        let mut canaries = self.canaries.iter();
        let canary = canaries.find(|canary| canary.on.matches(asked.headers));
        if let Some(backend) = canary.and_then(|canary| self.backends.get(canary.backend)) {
            return Choice {
                backend,
                cookie: None,
            };
        }
        let (caller, cookie) = match &self.sticky {
            Some(sticky) => sticky.caller(asked, random),
            None => (None, None),
        };
        let backend = match caller {
            Some(caller) => self.of(caller),
            None => self.draw(random),
        };
        Choice { backend, cookie }
    }

    /// The backend of a caller. Each is rated by the caller and its own name, so that a change of one
    /// weight moves callers to or from that backend only (weighted rendezvous hashing).
    fn of(&self, caller: Caller) -> &Backend {
        let rated = self.backends.iter().filter(|it| it.weight > 0);
        let best = rated.min_by(|one, other| {
            let score = |it: &Backend| caller.score(it.seed, it.weight);
            score(one).total_cmp(&score(other))
        });
        best.unwrap_or(&self.backends[0])
    }

    /// A backend by chance: uniform in `[0, sum of weights)`.
    fn draw(&self, random: u64) -> &Backend {
        let total: u64 = self.backends.iter().map(|it| u64::from(it.weight)).sum();
        let mut point = (u128::from(random) * u128::from(total)) >> 64;
        for backend in &self.backends {
            let weight = u128::from(backend.weight);
            if point < weight {
                return backend;
            }
            point -= weight;
        }
        &self.backends[0]
    }
}

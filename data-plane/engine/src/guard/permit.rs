//! A request's way past what protects a service.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, header};

use super::{
    Breaker, BreakerSettings, Change, Guard, Kept, Moment, RouteBreaker,
    breaker::{Judged, Pass},
};
use crate::{
    Code, Rejection,
    outcome::{End, Outcome},
};

/// Why a request is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// The breaker is open, for this long at least.
    Open(Duration),
    /// Its upstream has as many requests in flight as it may.
    Requests,
    /// Admission control drops it.
    Denied,
    /// The service has as many requests in flight as it takes well.
    Concurrency,
}

impl Shed {
    /// All, in order of [`Shed::place`].
    pub(super) const NAMES: [&'static str; 4] = ["open", "requests", "admission", "concurrency"];

    pub(super) const fn place(self) -> usize {
        match self {
            Self::Open(_) => 0,
            Self::Requests => 1,
            Self::Denied => 2,
            Self::Concurrency => 3,
        }
    }
}

impl From<Shed> for Rejection {
    fn from(shed: Shed) -> Self {
        match shed {
            Shed::Open(left) => {
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                Self::new(Code::CircuitOpen, "the service's circuit breaker is open")
                    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
            }
            Shed::Requests => Self::new(
                Code::UpstreamOverloaded,
                "the upstream has as many requests in flight as it may",
            ),
            Shed::Denied => Self::new(Code::UpstreamOverloaded, "denied_by_admission_control"),
            Shed::Concurrency => Self::new(
                Code::UpstreamOverloaded,
                "the service has as many requests in flight as it takes well",
            ),
        }
    }
}

/// A request that was let through. Its places are given back when it is dropped; a probe of which nothing is
/// known by then counts for nothing.
#[derive(Debug)]
pub struct Permit {
    guard: Arc<Guard>,
    breaker: Option<(Arc<Kept<BreakerSettings, Breaker>>, Pass)>,
    in_requests: bool,
    in_concurrency: bool,
}

impl Guard {
    /// Whether a request may be sent, and what that changed.
    ///
    /// # Errors
    /// It is to be answered at once.
    pub fn enter(
        self: &Arc<Self>,
        of_route: &RouteBreaker,
        moment: Moment,
    ) -> (Result<Permit, Shed>, Option<Change>) {
        let breaker = match of_route {
            RouteBreaker::Inherited => self.breaker.as_ref(),
            RouteBreaker::Off => None,
            RouteBreaker::Own(own) => Some(own),
        };
        let mut change = None;
        let mut passed = None;
        if let Some(breaker) = breaker {
            match breaker.state.enter(&breaker.settings, moment.now) {
                Ok((pass, changed)) => {
                    change = changed;
                    passed = Some((Arc::clone(breaker), pass));
                }
                Err(refused) => {
                    let shed = Shed::Open(refused.retry_after);
                    self.sheds.count(shed);
                    return (Err(shed), None);
                }
            }
        }
        let mut permit = Permit {
            guard: Arc::clone(self),
            breaker: passed,
            in_requests: false,
            in_concurrency: false,
        };
        match permit.take_places(moment) {
            Ok(()) => (Ok(permit), change),
            Err(shed) => {
                self.sheds.count(shed);
                (Err(shed), change)
            }
        }
    }
}

impl Guard {
    /// Takes in what became of one attempt. `ejected` tells the share of its targets that are ill, if it is asked.
    pub fn attempted(&self, outcome: &Outcome, moment: Moment, ejected: impl FnOnce() -> f64) {
        let Some(succeeded) = outcome.succeeded() else {
            return;
        };
        // What fails fast says nothing of how long answers take.
        if let Some(concurrency) = &self.concurrency
            && (succeeded || outcome.end == End::Timeout)
        {
            let settings = &concurrency.settings;
            concurrency.state.sample(settings, outcome.took, moment);
        }
        self.signal
            .record(!succeeded, outcome.took, moment.now, ejected);
    }
}

impl Permit {
    fn take_places(&mut self, moment: Moment) -> Result<(), Shed> {
        let guard = &self.guard;
        // A probe is to tell how the service is: what is to spare the service does not hold it back.
        let probe = self.breaker.as_ref().is_some_and(|(_, it)| it.is_probe());
        if let Some(admission) = guard.admission.as_ref().filter(|_| !probe)
            && moment.random < admission.state.share(&admission.settings, moment.now)
        {
            return Err(Shed::Denied);
        }
        if let Some(limits) = &guard.limits {
            let most = limits.settings.max_requests;
            self.in_requests = limits.state.requests.enter(most);
            if !self.in_requests {
                return Err(Shed::Requests);
            }
        }
        if let Some(concurrency) = &guard.concurrency {
            self.in_concurrency = concurrency.state.enter(&concurrency.settings);
            if !self.in_concurrency {
                return Err(Shed::Concurrency);
            }
        }
        Ok(())
    }

    /// Takes in what became of the request after all attempts, once, and says whether the breaker's phase changed.
    pub fn finish(&mut self, outcome: &Outcome, moment: Moment) -> Option<Change> {
        let succeeded = outcome.succeeded();
        if let (Some(succeeded), Some(admission)) = (succeeded, &self.guard.admission) {
            admission.state.record(succeeded, moment.now);
        }
        let (breaker, pass) = self.breaker.take()?;
        let judged = succeeded.map(|succeeded| Judged {
            failed: !succeeded,
            took: outcome.took,
        });
        breaker
            .state
            .finish(&breaker.settings, pass, judged, moment)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((breaker, pass)) = self.breaker.take() {
            let moment = Moment {
                now: Duration::ZERO,
                random: 0.0,
            };
            let _ = breaker.state.finish(&breaker.settings, pass, None, moment);
        }
        if let Some(limits) = self.guard.limits.as_ref().filter(|_| self.in_requests) {
            limits.state.requests.leave();
        }
        if let Some(concurrency) = self
            .guard
            .concurrency
            .as_ref()
            .filter(|_| self.in_concurrency)
        {
            concurrency.state.leave();
        }
    }
}

#[cfg(test)]
mod tests;

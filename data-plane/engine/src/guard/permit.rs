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
mod tests {
    use std::{sync::Arc, time::Duration};

    use http::StatusCode;

    use super::{
        super::{AdmissionSettings, GradientSettings, LimitSettings},
        Breaker, BreakerSettings, Guard, Kept, Moment, Permit, RouteBreaker, Shed,
    };
    use crate::outcome::{End, Outcome};

    const NOW: Moment = Moment {
        now: Duration::from_secs(100),
        random: 0.5,
    };

    fn breaker() -> Arc<Kept<BreakerSettings, Breaker>> {
        Arc::new(Kept {
            settings: BreakerSettings {
                window: Duration::from_secs(10),
                min_requests: 1,
                error_percent: 50,
                slow: None,
                open: Duration::from_secs(1),
                max_open: Duration::from_secs(1),
                probes: 1,
            },
            state: Arc::default(),
        })
    }

    fn enter(guard: &Arc<Guard>) -> Result<Permit, Shed> {
        guard.enter(&RouteBreaker::Inherited, NOW).0
    }

    fn answered(status: u16) -> Outcome {
        let status = StatusCode::from_u16(status).unwrap();
        Outcome {
            end: End::Response { status, grpc: None },
            took: Duration::from_millis(3),
        }
    }

    #[test]
    fn the_request_over_max_requests_is_refused_at_once() {
        let limits = Kept {
            settings: LimitSettings {
                max_requests: Some(2),
                ..LimitSettings::default()
            },
            state: Arc::default(),
        };
        let guard = Arc::new(Guard {
            limits: Some(Arc::new(limits)),
            ..Guard::default()
        });
        let one = enter(&guard).unwrap();
        let _two = enter(&guard).unwrap();
        assert_eq!(enter(&guard).unwrap_err(), Shed::Requests);
        drop(one);
        assert!(enter(&guard).is_ok());
        let counted: Vec<u64> = guard.sheds.each().map(|(_, count)| count).collect();
        assert_eq!(counted, [0, 1, 0, 0]);
    }

    #[test]
    fn a_route_may_have_a_breaker_of_its_own_or_none() {
        let guard = Arc::new(Guard {
            breaker: Some(breaker()),
            ..Guard::default()
        });
        let mut permit = enter(&guard).unwrap();
        assert!(permit.finish(&answered(500), NOW).is_some());
        assert!(matches!(enter(&guard).unwrap_err(), Shed::Open(_)));
        assert!(guard.enter(&RouteBreaker::Off, NOW).0.is_ok());
        assert!(guard.enter(&RouteBreaker::Own(breaker()), NOW).0.is_ok());
    }

    #[test]
    fn a_probe_that_finds_no_place_is_not_lost() {
        let concurrency = Kept {
            settings: GradientSettings {
                min_limit: 1,
                max_limit: 1,
                initial_limit: 1,
                buffer_percent: 25,
                update_interval: Duration::from_millis(100),
                baseline_interval: Duration::from_secs(60),
                pinned: false,
            },
            state: Arc::default(),
        };
        let guard = Arc::new(Guard {
            breaker: Some(breaker()),
            concurrency: Some(concurrency),
            ..Guard::default()
        });
        let mut long = enter(&guard).unwrap();
        long.finish(&answered(502), NOW);
        let later = Moment {
            now: Duration::from_secs(102),
            ..NOW
        };
        let (refused, _) = guard.enter(&RouteBreaker::Inherited, later);
        assert_eq!(refused.unwrap_err(), Shed::Concurrency);
        drop(long);
        let (passed, _) = guard.enter(&RouteBreaker::Inherited, later);
        assert!(passed.is_ok());
    }

    #[test]
    fn what_admission_drops_is_not_counted() {
        let admission = Kept {
            settings: AdmissionSettings {
                success_share: 0.95,
                aggression: 1.0,
                max_share: 0.8,
                min_per_second: 0,
            },
            state: Arc::default(),
        };
        let guard = Arc::new(Guard {
            admission: Some(admission),
            ..Guard::default()
        });
        for _ in 0..4 {
            let mut permit = enter(&guard).unwrap();
            permit.finish(&answered(503), NOW);
            drop(permit);
            if let Err(shed) = enter(&guard) {
                assert_eq!(shed, Shed::Denied);
                return;
            }
        }
        panic!("nothing is dropped");
    }
}

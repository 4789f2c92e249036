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

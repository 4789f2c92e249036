use std::time::Duration;

use gatewright_proto::v1::RetryOn;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{Conditions, Ended, Hedge, Judgement, Reason, RetryPolicy, Step, Stop, judge};
use crate::outcome::End;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn on(list: &[RetryOn]) -> RetryPolicy {
    RetryPolicy {
        attempts: 3,
        on: Conditions::of(list),
        ..RetryPolicy::default()
    }
}

fn response(status: u16, grpc: Option<u32>) -> End {
    let status = StatusCode::from_u16(status).unwrap();
    End::Response { status, grpc }
}

fn ended(end: End) -> Ended<'static> {
    Ended {
        end,
        headers: None,
        method: &Method::GET,
        replayable: true,
        retries: 0,
        time_left: None,
        chance: 0.5,
        unix_now: 1_000_000,
    }
}

const SENT: End = End::Reset { sent: true };
const UNSENT: End = End::Reset { sent: false };

#[test]
fn by_default_only_what_no_target_can_have_seen_is_sent_again_and_once() {
    let policy = RetryPolicy::default();
    let post = |end, retries| {
        policy.step(&Ended {
            method: &Method::POST,
            retries,
            ..ended(end)
        })
    };
    for end in [End::Connect, End::ConnectTimeout, End::Refused] {
        assert!(matches!(post(end, 0), Step::Again(..)), "{end:?}");
        assert_eq!(post(end, 1), Step::Stop(Stop::Exhausted));
    }
    for end in [
        SENT,
        End::Timeout,
        response(503, Some(14)),
        response(500, None),
    ] {
        assert_eq!(post(end, 0), Step::Stop(Stop::Settled), "{end:?}");
    }
}

/// What each condition retries, of these ends in this order.
#[test]
fn each_condition_retries_what_its_name_says() {
    let ends = [
        End::Connect,
        End::Refused,
        UNSENT,
        SENT,
        End::Timeout,
        response(409, None),
        response(429, None),
        response(500, None),
        response(502, None),
        response(504, None),
        response(599, None),
        End::Abandoned,
    ];
    for (condition, expected) in [
        (RetryOn::ConnectFailure, "x..........."),
        (RetryOn::RefusedStream, ".x.........."),
        (RetryOn::ResetBeforeRequest, "x.x........."),
        (RetryOn::Reset, "xxxxx......."),
        (RetryOn::GatewayError, "xxxxx...xx.."),
        (RetryOn::ServerError, "xxxxx..xxxx."),
        (RetryOn::Conflict, ".....x......"),
        (RetryOn::RateLimited, "......x....."),
        (RetryOn::GrpcUnavailable, "............"),
    ] {
        let policy = on(&[condition]);
        let retried: String = ends
            .iter()
            .map(|end| {
                if policy.reason(end, None).is_some() {
                    'x'
                } else {
                    '.'
                }
            })
            .collect();
        assert_eq!(retried, expected, "{condition:?}");
    }
}

#[test]
fn statuses_and_fields_of_a_response_can_be_listed() {
    let mut policy = on(&[RetryOn::Statuses]);
    policy.statuses = Box::new([404, 429]);
    assert_eq!(
        policy.reason(&response(404, None), None),
        Some(Reason::Status)
    );
    assert_eq!(
        policy.reason(&response(429, None), None),
        Some(Reason::Status)
    );
    assert_eq!(policy.reason(&response(500, None), None), None);
}

#[test]
fn each_status_of_grpc_has_its_condition() {
    for (code, condition) in [
        (1, RetryOn::GrpcCancelled),
        (4, RetryOn::GrpcDeadlineExceeded),
        (8, RetryOn::GrpcResourceExhausted),
        (13, RetryOn::GrpcInternal),
        (14, RetryOn::GrpcUnavailable),
    ] {
        let policy = on(&[condition]);
        for other in 0..=16 {
            let reason = policy.reason(&response(200, Some(other)), None);
            assert_eq!(reason.is_some(), other == code, "{condition:?} {other}");
        }
        let step = policy.step(&Ended {
            method: &Method::POST,
            ..ended(response(200, Some(code)))
        });
        assert!(matches!(step, Step::Again(_, Reason::GrpcStatus)));
    }
}

#[test]
fn what_a_target_may_have_acted_on_is_repeated_only_where_its_method_allows() {
    let step = |policy: &RetryPolicy, method: &'static Method, end| {
        policy.step(&Ended {
            method,
            ..ended(end)
        })
    };
    let policy = on(&[RetryOn::ServerError]);
    for method in [
        &Method::GET,
        &Method::PUT,
        &Method::DELETE,
        &Method::OPTIONS,
    ] {
        assert!(matches!(step(&policy, method, SENT), Step::Again(..)));
    }
    for end in [SENT, End::Timeout, response(503, None)] {
        let stopped = Step::Stop(Stop::Method);
        assert_eq!(step(&policy, &Method::POST, end), stopped);
        assert_eq!(step(&policy, &Method::PATCH, end), stopped);
    }
    for end in [End::Connect, End::Refused, UNSENT] {
        assert!(matches!(step(&policy, &Method::POST, end), Step::Again(..)));
    }
    let mut opted_in = on(&[RetryOn::ServerError]);
    opted_in.methods = Some(Box::new([Method::GET, Method::POST]));
    assert!(matches!(
        step(&opted_in, &Method::POST, SENT),
        Step::Again(..)
    ));
    assert_eq!(
        step(&opted_in, &Method::PUT, SENT),
        Step::Stop(Stop::Method)
    );
}

#[test]
fn without_its_body_a_request_is_not_sent_again() {
    let step = on(&[RetryOn::Reset]).step(&Ended {
        replayable: false,
        ..ended(SENT)
    });
    assert_eq!(step, Step::Stop(Stop::Body));
}

#[test]
fn a_retry_that_would_begin_when_time_is_up_is_not_waited_for() {
    let policy = on(&[RetryOn::Reset]);
    let step = |left| {
        policy.step(&Ended {
            time_left: Some(left),
            ..ended(SENT)
        })
    };
    assert_eq!(
        step(ms(13)),
        Step::Again(ms(25).mul_f64(0.5), Reason::Reset)
    );
    assert_eq!(step(ms(12)), Step::Stop(Stop::Late));
}

/// The step after a 503 with these fields, halfway through the jitter.
fn asked(fields: &[(&'static str, &'static str)]) -> Step {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    on(&[RetryOn::ServerError]).step(&Ended {
        headers: Some(&headers),
        ..ended(response(503, None))
    })
}

#[test]
fn a_response_may_say_how_long_to_wait() {
    let exponential = Step::Again(ms(25).mul_f64(0.5), Reason::Status);
    let after = |milliseconds| Step::Again(ms(milliseconds), Reason::Status);
    assert_eq!(asked(&[("retry-after", "4")]), after(5000));
    assert_eq!(asked(&[("x-ratelimit-reset", "1000004")]), after(5000));
    let both = [("retry-after", "soon"), ("x-ratelimit-reset", "1000002")];
    assert_eq!(asked(&both), after(2500), "the first that parses");
    assert_eq!(asked(&[("retry-after", "300")]), after(375_000));
    assert_eq!(asked(&[("retry-after", "301")]), exponential);
    assert_eq!(asked(&[("x-ratelimit-reset", "7")]), exponential);
    assert_eq!(asked(&[]), exponential);
    assert_eq!(asked(&[("grpc-retry-pushback-ms", "100")]), after(125));
    let never = Step::Stop(Stop::Late);
    assert_eq!(asked(&[("grpc-retry-pushback-ms", "-1")]), never);
    let long = [("grpc-retry-pushback-ms", "300001")];
    assert_eq!(asked(&long), never, "no request waits that long");
}

#[test]
fn what_a_response_asks_for_is_the_least_and_half_as_much_again_the_most() {
    let headers =
        HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("10"))]);
    let wait = |chance| {
        let step = on(&[RetryOn::ServerError]).step(&Ended {
            headers: Some(&headers),
            chance,
            ..ended(response(503, None))
        });
        let Step::Again(wait, _) = step else {
            panic!("{step:?}");
        };
        wait
    };
    assert_eq!(wait(0.0), ms(10_000));
    let most = wait(0.999_999);
    assert!(ms(14_999) < most && most < ms(15_000), "{most:?}");
}

#[test]
fn a_hedge_begins_after_a_delay_or_with_the_time_of_an_attempt() {
    let hedge = |delay, on_per_try_timeout| Hedge {
        attempts: 2,
        delay,
        on_per_try_timeout,
    };
    assert_eq!(
        hedge(Some(ms(20)), false).wait(0, Some(ms(5))),
        Some(ms(20))
    );
    assert_eq!(hedge(None, true).wait(1, Some(ms(5))), Some(ms(5)));
    assert_eq!(hedge(Some(ms(20)), true).wait(0, Some(ms(5))), Some(ms(5)));
    assert_eq!(hedge(None, true).wait(0, None), None);
    assert_eq!(hedge(Some(ms(20)), false).wait(2, None), None, "no more");
}

#[test]
fn the_first_good_answer_wins_and_a_bad_one_waits_for_the_others() {
    assert_eq!(judge(true, 2), Judgement::Wins);
    assert_eq!(judge(true, 0), Judgement::Wins);
    assert_eq!(judge(false, 1), Judgement::Discarded);
    assert_eq!(judge(false, 0), Judgement::Last);
}

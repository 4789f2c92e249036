mod check;
mod ejection;

use std::time::Duration;

use http::StatusCode;

use super::{
    ejection::Terms,
    outlier::{Detector, Sign},
    rate::{Counts, FailurePercentage, SuccessRate, Tally, Window},
    streak::{Limits, Streaks, Within},
};
use crate::outcome::{End, Outcome};

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        server: 5,
        gateway: 0,
        local: 5,
        split: false,
        within: None,
    }
}

fn terms() -> Terms {
    Terms {
        base: 30 * SECOND,
        longest: 300 * SECOND,
        jitter: Duration::ZERO,
        interval: 10 * SECOND,
        most_percent: 50,
        always_one: true,
    }
}

/// What each of these signs leads to, a second apart.
fn count(signs: &[Sign], limits: &Limits) -> Vec<Option<Detector>> {
    let streaks = Streaks::default();
    let numbered = signs.iter().zip(0..);
    let count = |(sign, second): (&Sign, u64)| streaks.count(*sign, limits, second * 1000);
    numbered.map(count).collect()
}

fn last(signs: &[Sign], limits: &Limits) -> Option<Detector> {
    let counted = count(signs, limits);
    let (last, before) = counted.split_last().unwrap();
    assert!(before.iter().all(Option::is_none), "{counted:?}");
    *last
}

#[test]
fn five_server_failures_in_a_row_eject_and_a_success_in_between_does_not() {
    use Sign::{GatewayFailure, LocalFailure, ServerFailure, Success};
    let mixed = [
        ServerFailure,
        GatewayFailure,
        LocalFailure,
        ServerFailure,
        ServerFailure,
    ];
    assert_eq!(last(&mixed, &limits()), Some(Detector::Consecutive5xx));
    let mut broken = [ServerFailure; 9];
    broken[4] = Success;
    assert_eq!(last(&broken, &limits()), None);
}

#[test]
fn a_500_ends_a_row_of_gateway_failures() {
    use Sign::{GatewayFailure, LocalFailure, ServerFailure};
    let gateway = Limits {
        server: 0,
        gateway: 3,
        ..limits()
    };
    let row = [GatewayFailure, LocalFailure, GatewayFailure];
    assert_eq!(last(&row, &gateway), Some(Detector::ConsecutiveGateway));
    let broken = [
        GatewayFailure,
        GatewayFailure,
        ServerFailure,
        GatewayFailure,
        GatewayFailure,
    ];
    assert_eq!(last(&broken, &gateway), None);
}

#[test]
fn no_answers_are_counted_apart_where_they_are_split() {
    use Sign::{LocalFailure, ServerFailure};
    let split = Limits {
        split: true,
        ..limits()
    };
    assert_eq!(
        last(&[LocalFailure; 5], &split),
        Some(Detector::ConsecutiveLocal)
    );
    let answered = [
        LocalFailure,
        LocalFailure,
        LocalFailure,
        LocalFailure,
        ServerFailure,
        LocalFailure,
    ];
    assert_eq!(last(&answered, &split), None, "an answer is an answer");
    let server = [&[ServerFailure; 4][..], &[LocalFailure; 4]].concat();
    assert_eq!(last(&server, &split), None);
}

#[test]
fn failures_within_a_time_count_whatever_succeeds_in_between() {
    use Sign::{LocalFailure, Success};
    let within = |milliseconds| Limits {
        server: 0,
        within: Some(Within {
            count: 3,
            milliseconds,
        }),
        ..limits()
    };
    // Failures come every two seconds.
    let row = [LocalFailure, Success, LocalFailure, Success, LocalFailure];
    assert_eq!(last(&row, &within(2000)), Some(Detector::FailureCount));
    assert_eq!(last(&row, &within(1999)), None);
}

#[test]
fn a_target_that_may_not_be_ejected_yet_is_offered_again_with_the_next_failure() {
    let counted = count(&[Sign::ServerFailure; 7], &limits());
    let offered: Vec<bool> = counted.iter().map(Option::is_some).collect();
    assert_eq!(offered, [false, false, false, false, true, true, true]);
}

#[test]
fn outcomes_are_signs_of_the_target_and_not_of_the_client() {
    let sign = |end| {
        Sign::of(&Outcome {
            end,
            took: Duration::ZERO,
        })
    };
    let answered = |status: u16, grpc| {
        let status = StatusCode::from_u16(status).unwrap();
        sign(End::Response { status, grpc }).unwrap()
    };
    assert_eq!(answered(499, None), Sign::Success);
    assert_eq!(answered(500, None), Sign::ServerFailure);
    assert_eq!(answered(501, None), Sign::ServerFailure);
    assert_eq!(answered(503, None), Sign::GatewayFailure);
    assert_eq!(answered(505, None), Sign::ServerFailure);
    assert_eq!(answered(200, Some(14)), Sign::GatewayFailure);
    assert_eq!(answered(200, Some(13)), Sign::ServerFailure);
    assert_eq!(answered(200, Some(12)), Sign::Success);
    assert_eq!(answered(200, Some(8)), Sign::Success);
    for end in [
        End::Connect,
        End::ConnectTimeout,
        End::Refused,
        End::Reset { sent: true },
        End::Timeout,
    ] {
        assert_eq!(sign(end), Some(Sign::LocalFailure));
    }
    assert_eq!(sign(End::Abandoned), None);
}

/// One hundred requests each, of which so many succeeded.
fn rates(successes: &[u32]) -> Vec<Counts> {
    let counts = |success: &u32| Counts {
        total: 100,
        failed: 100 - success,
    };
    successes.iter().map(counts).collect()
}

const SUCCESS_RATE: SuccessRate = SuccessRate {
    min_hosts: 5,
    min_requests: 100,
    deviation_permille: 1900,
};

#[test]
fn a_success_rate_far_below_the_mean_ejects() {
    // Mean 92, deviation 16: below 61.6. Mean 90, deviation 20: below 52.
    let outliers = |successes: &[u32]| SUCCESS_RATE.outliers(&rates(successes));
    assert_eq!(outliers(&[100, 100, 100, 100, 60]), [4]);
    assert_eq!(outliers(&[50, 100, 100, 100, 100]), [0]);
    assert!(SUCCESS_RATE.outliers(&rates(&[100; 5])).is_empty());
    assert!(SUCCESS_RATE.outliers(&rates(&[0; 5])).is_empty());
}

#[test]
fn among_n_targets_none_lies_more_than_the_root_of_n_less_one_deviations_away() {
    let four = SuccessRate {
        min_hosts: 1,
        ..SUCCESS_RATE
    };
    assert!(four.outliers(&rates(&[0, 100, 100, 100])).is_empty());
    assert_eq!(four.outliers(&rates(&[0, 100, 100, 100, 100])), [0]);
    assert!(
        SUCCESS_RATE
            .outliers(&rates(&[0, 100, 100, 100]))
            .is_empty()
    );
}

#[test]
fn too_few_requests_say_nothing() {
    let mut hosts = rates(&[100, 100, 100, 100, 0]);
    hosts[4].total = 99;
    hosts[4].failed = 99;
    assert!(SUCCESS_RATE.outliers(&hosts).is_empty());
}

#[test]
fn a_percentage_of_failures_ejects_from_the_threshold_on() {
    let detector = FailurePercentage {
        threshold_percent: 85,
        min_hosts: 5,
        min_requests: 50,
    };
    let outliers = |successes: &[u32]| detector.outliers(&rates(successes));
    assert_eq!(outliers(&[15, 16, 0, 100, 100]), [0, 2]);
    assert!(outliers(&[0, 0, 0, 0]).is_empty());
}

#[test]
fn a_window_is_the_last_ten_parts_exactly() {
    let (tally, mut window) = (Tally::default(), Window::default());
    for part in 0..12 {
        tally.count(part == 0);
        tally.count(part == 11);
        window.push(tally.take());
    }
    let sum = window.sum();
    assert_eq!((sum.total, sum.failed), (20, 1));
    window.clear();
    assert_eq!(window.sum(), Counts::default());
}

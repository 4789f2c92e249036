//! For how long targets are out, and how many may be.

use std::time::{Duration, Instant};

use super::{
    super::ejection::{Record, Share, Terms},
    SECOND, terms,
};

fn share(hosts: usize, ejected: usize) -> Share {
    Share {
        hosts,
        ejected,
        usable: hosts - ejected,
    }
}

#[test]
fn of_three_targets_one_may_go_and_a_second_may_not() {
    assert!(terms().allow(share(3, 0)));
    assert!(!terms().allow(share(3, 1)));
    assert!(terms().allow(share(4, 1)));
    assert!(!terms().allow(share(4, 2)));
}

#[test]
fn a_small_share_ejects_one_of_few_only_where_one_may_always_go() {
    let tenth = |always_one| Terms {
        most_percent: 10,
        always_one,
        ..terms()
    };
    assert!(tenth(true).allow(share(3, 0)));
    assert!(!tenth(false).allow(share(3, 0)));
    assert!(!tenth(false).allow(share(9, 0)));
    assert!(tenth(false).allow(share(10, 0)));
    assert!(!tenth(true).allow(share(10, 1)));
}

#[test]
fn the_last_usable_target_is_never_ejected() {
    let all = Terms {
        most_percent: 100,
        ..terms()
    };
    assert!(!all.allow(share(1, 0)));
    assert!(all.allow(share(2, 0)));
    assert!(!all.allow(share(2, 1)));
    let others_unhealthy = Share {
        hosts: 3,
        ejected: 0,
        usable: 1,
    };
    assert!(!all.allow(others_unhealthy));
}

#[test]
fn an_ejection_is_longer_each_time_up_to_the_longest() {
    let time = |times| terms().time(times, 0.0).as_secs();
    assert_eq!(
        [1, 2, 3, 10, 11, u32::MAX].map(time),
        [30, 60, 90, 300, 300, 300]
    );
    let long = Terms {
        base: 400 * SECOND,
        ..terms()
    };
    assert_eq!(long.time(3, 0.0).as_secs(), 400);
    let jittered = Terms {
        jitter: 4 * SECOND,
        ..terms()
    };
    assert_eq!(jittered.time(10, 0.5).as_secs(), 302);
}

#[test]
fn an_interval_without_an_ejection_takes_one_off_the_record() {
    let (begin, terms, mut record) = (Instant::now(), terms(), Record::default());
    let eject = |record: &mut Record, at: u64| {
        let now = begin + Duration::from_secs(at);
        let long = record.eject(now, &terms, 0.0);
        record.readmit(now + long);
        long.as_secs()
    };
    assert_eq!(eject(&mut record, 0), 30);
    assert_eq!(eject(&mut record, 39), 60, "back for 9 seconds");
    assert_eq!(eject(&mut record, 109), 60, "back for 10 seconds");
    assert_eq!(eject(&mut record, 1000), 30, "back for long");
}

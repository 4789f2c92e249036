//! Who gets requests where some cannot be used, and in which order of preference.

use gatewright_proto::v1::Balancer;

use super::{ALL, Pool, assert_near};
use crate::balance::BalanceSpec;

fn spec(balancer: Balancer, panic_threshold_percent: u32) -> BalanceSpec {
    BalanceSpec {
        balancer,
        panic_threshold_percent,
        ..BalanceSpec::default()
    }
}

#[test]
fn what_cannot_be_used_is_not_picked() {
    for balancer in ALL {
        let mut pool = Pool::new(balancer, &[1, 1, 1]);
        pool.fail([1]);
        for key in 0..200_u64 {
            let key = Some(key << 56);
            assert_ne!(pool.pick_by(key), Some(1), "{balancer:?}");
        }
    }
}

#[test]
fn random_is_even_among_those_that_are_left() {
    let mut pool = Pool::new(Balancer::Random, &[1; 5]);
    pool.fail([1]);
    assert_near(&pool.shares(20_000), &[0.25, 0.0, 0.25, 0.25, 0.25]);
    pool.tried.insert(2);
    let third = 1.0 / 3.0;
    assert_near(&pool.shares(20_000), &[third, 0.0, 0.0, third, third]);
}

#[test]
fn with_too_few_left_health_is_ignored() {
    for balancer in ALL {
        let mut pool = Pool::new(balancer, &[1, 1, 1]);
        pool.fail([0, 1]);
        assert!(pool.standing.panics());
        assert_near(&pool.shares(20_000), &[1.0 / 3.0; 3]);
    }
}

#[test]
fn half_is_not_too_few() {
    let mut pool = Pool::new(Balancer::RoundRobin, &[1, 1]);
    pool.fail([0]);
    assert!(!pool.standing.panics());
    assert_eq!(pool.standing.ill_share(&pool.plan), 0.5);
    assert_near(&pool.shares(100), &[0.0, 1.0]);
}

#[test]
fn without_a_threshold_nothing_unusable_is_ever_picked() {
    for balancer in ALL {
        let mut pool = Pool::with(spec(balancer, 0), &[(1, 0), (1, 0), (1, 0)]);
        pool.fail([0, 1]);
        assert_near(&pool.shares(100), &[0.0, 0.0, 1.0]);
        pool.fail([2]);
        assert_eq!(pool.pick(), None, "{balancer:?}");
        assert_eq!(pool.pick_by(Some(7)), None, "{balancer:?}");
    }
}

#[test]
fn requests_spill_to_the_next_priority_and_stay_there_by_their_keys() {
    for balancer in ALL {
        let members = [(1, 0), (1, 0), (1, 0), (1, 0), (1, 5)];
        let mut pool = Pool::with(spec(balancer, 50), &members);
        assert_eq!(pool.shares(1000)[4], 0.0);
        pool.fail([0, 1]);
        // Two of four, times 1.4.
        let shares = pool.shares(20_000);
        assert_near(&shares, &[0.0, 0.0, 0.35, 0.35, 0.3]);
        let of_key = |key| pool.pick_by(Some(key));
        if matches!(balancer, Balancer::RingHash | Balancer::Maglev) {
            for key in 0..100 {
                assert_eq!(of_key(key), of_key(key));
            }
        }
    }
}

#[test]
fn the_next_priority_is_asked_where_all_of_the_first_were_tried() {
    for balancer in ALL {
        let mut pool = Pool::with(spec(balancer, 50), &[(1, 0), (1, 1)]);
        assert_eq!(pool.pick(), Some(0));
        pool.tried.insert(0);
        assert_eq!(
            (pool.pick(), pool.pick_by(Some(1))),
            (Some(1), Some(1)),
            "{balancer:?}"
        );
    }
}

//! How often, and in which order, candidates are picked.

use gatewright_proto::v1::Balancer;
use rand::{SeedableRng, rngs::StdRng};

use super::{Candidate, Cursor, least_request};

fn candidates(all: &[(u32, u32)]) -> Vec<Candidate> {
    let candidate = |&(weight, in_flight)| Candidate { weight, in_flight };
    all.iter().map(candidate).collect()
}

fn in_turn(weights: &[u32], picks: usize) -> Vec<usize> {
    let candidates = candidates(
        &weights
            .iter()
            .map(|&weight| (weight, 0))
            .collect::<Vec<_>>(),
    );
    let mut cursor = Cursor::default();
    let mut pick = || cursor.pick(Balancer::RoundRobin, &candidates, &[]).unwrap();
    (0..picks).map(|_| pick()).collect()
}

#[test]
fn round_robin_spreads_the_heavier_ones_out() {
    assert_eq!(in_turn(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(in_turn(&[100, 100, 100], 6), [0, 1, 2, 0, 1, 2]);
    assert_eq!(in_turn(&[1, 0, 1], 4), [0, 2, 0, 2]);
}

#[test]
fn what_was_tried_is_not_picked_again_and_weight_0_never_is() {
    let two = candidates(&[(1, 0), (1, 0), (0, 0)]);
    for balancer in [Balancer::RoundRobin, Balancer::LeastRequest] {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.pick(balancer, &two, &[0]), Some(1));
        assert_eq!(cursor.pick(balancer, &two, &[0, 1]), None);
        assert_eq!(cursor.pick(balancer, &[], &[]), None);
        assert_eq!(cursor.pick(balancer, &candidates(&[(0, 0)]), &[]), None);
    }
}

#[test]
fn the_cursor_follows_a_change_of_the_candidates() {
    let mut cursor = Cursor::default();
    let (three, one) = (candidates(&[(1, 0); 3]), candidates(&[(1, 0)]));
    assert_eq!(cursor.pick(Balancer::RoundRobin, &three, &[]), Some(0));
    assert_eq!(cursor.pick(Balancer::RoundRobin, &one, &[]), Some(0));
    assert_eq!(cursor.pick(Balancer::RoundRobin, &three, &[]), Some(0));
}

fn shares(all: &[(u32, u32)]) -> Vec<f64> {
    const PICKS: u32 = 20_000;
    let mut random = StdRng::seed_from_u64(1);
    let candidates = candidates(all);
    let mut counts = vec![0_u32; all.len()];
    for _ in 0..PICKS {
        counts[least_request(&candidates, &[], &mut random).unwrap()] += 1;
    }
    let share = |count| f64::from(count) / f64::from(PICKS);
    counts.into_iter().map(share).collect()
}

#[test]
fn least_request_shares_an_idle_upstream_by_weight() {
    let shares = shares(&[(100, 0), (300, 0), (0, 0)]);
    assert!((shares[0] - 0.25).abs() < 0.02, "{shares:?}");
    assert!((shares[1] - 0.75).abs() < 0.02, "{shares:?}");
    assert_eq!(shares[2], 0.0);
}

#[test]
fn least_request_prefers_the_less_loaded() {
    // The busy one is picked only where both draws fall on it.
    let equal = shares(&[(100, 10), (100, 0)]);
    assert!((equal[0] - 0.25).abs() < 0.02, "{equal:?}");
    // 4 in flight over 400 is as much as 1 over 100: by weight again.
    let balanced = shares(&[(400, 4), (100, 1)]);
    assert!((balanced[0] - 0.8).abs() < 0.02, "{balanced:?}");
}

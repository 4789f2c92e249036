//! How often, and in which order, addresses are picked.

mod hashing;
mod health;

use std::{cell::RefCell, collections::HashSet, sync::Arc};

use gatewright_proto::v1::Balancer;
use rand::{SeedableRng, rngs::StdRng};

use super::{Ask, BalanceSpec, Cursor, Member, Plan, Sight, Standing};

/// An upstream whose addresses are as a test says.
struct Pool {
    plan: Plan,
    standing: Standing,
    cursor: RefCell<Cursor>,
    random: RefCell<StdRng>,
    usable: Vec<bool>,
    tried: HashSet<usize>,
    in_flight: Vec<u32>,
    costs: Vec<f64>,
    ramps: Vec<f64>,
}

impl Sight for Pool {
    fn is_usable(&self, place: usize) -> bool {
        self.usable[place]
    }
    fn is_repeat(&self) -> bool {
        !self.tried.is_empty()
    }
    fn was_tried(&self, place: usize) -> bool {
        self.tried.contains(&place)
    }
    fn in_flight(&self, place: usize) -> u32 {
        self.in_flight[place]
    }
    fn in_flight_of_all(&self) -> u32 {
        self.in_flight.iter().sum()
    }
    fn cost(&self, place: usize) -> f64 {
        self.costs[place]
    }
    fn ramp(&self, place: usize) -> f64 {
        self.ramps[place]
    }
}

impl Pool {
    /// Of these weights, all of one priority.
    fn new(balancer: Balancer, weights: &[u32]) -> Self {
        let members: Vec<(u32, u32)> = weights.iter().map(|&weight| (weight, 0)).collect();
        let spec = BalanceSpec {
            balancer,
            ..BalanceSpec::default()
        };
        Self::with(spec, &members)
    }

    /// Of these weights and priorities. Each is told from others by its place.
    fn with(spec: BalanceSpec, members: &[(u32, u32)]) -> Self {
        let names: Vec<String> = (0..members.len())
            .map(|it| format!("10.0.0.{it}:80"))
            .collect();
        let named: Vec<(&str, u32, u32)> = names
            .iter()
            .zip(members)
            .map(|(name, (weight, priority))| (name.as_str(), *weight, *priority))
            .collect();
        Self::named(spec, &named)
    }

    fn named(spec: BalanceSpec, members: &[(&str, u32, u32)]) -> Self {
        let count = members.len();
        let members: Vec<Member<'_>> = members
            .iter()
            .map(|&(name, weight, priority)| Member {
                weight,
                priority,
                identity: name.as_bytes(),
            })
            .collect();
        let plan = Plan::new(&Arc::new(spec), &members);
        Self {
            standing: Standing::new(&plan, |_| true),
            plan,
            cursor: RefCell::default(),
            random: RefCell::new(StdRng::seed_from_u64(7)),
            usable: vec![true; count],
            tried: HashSet::new(),
            in_flight: vec![0; count],
            costs: vec![1.0; count],
            ramps: vec![1.0; count],
        }
    }

    fn fail(&mut self, places: impl IntoIterator<Item = usize>) {
        for place in places {
            self.usable[place] = false;
        }
        self.standing = Standing::new(&self.plan, |place| self.usable[place]);
    }

    fn pick_by(&self, key: Option<u64>) -> Option<usize> {
        let ask = Ask {
            plan: &self.plan,
            standing: &self.standing,
            sight: self,
            key,
        };
        let mut random = self.random.borrow_mut();
        self.cursor.borrow_mut().pick(&ask, &mut *random)
    }

    fn pick(&self) -> Option<usize> {
        self.pick_by(None)
    }

    /// The share of each, over this many picks.
    fn shares(&self, picks: u32) -> Vec<f64> {
        let mut counts = vec![0_u32; self.usable.len()];
        for _ in 0..picks {
            counts[self.pick().unwrap()] += 1;
        }
        let share = |count| f64::from(count) / f64::from(picks);
        counts.into_iter().map(share).collect()
    }
}

fn assert_near(shares: &[f64], expected: &[f64]) {
    assert_eq!(shares.len(), expected.len());
    for (share, expected) in shares.iter().zip(expected) {
        assert!((share - expected).abs() < 0.02, "{shares:?}");
    }
}

const ALL: [Balancer; 6] = [
    Balancer::RoundRobin,
    Balancer::LeastRequest,
    Balancer::Random,
    Balancer::PeakEwma,
    Balancer::RingHash,
    Balancer::Maglev,
];

#[test]
fn every_balancer_shares_an_idle_upstream_by_weight() {
    for balancer in ALL {
        let pool = Pool::new(balancer, &[100, 300, 0]);
        assert_near(&pool.shares(20_000), &[0.25, 0.75, 0.0]);
        assert_eq!(pool.shares(1000)[2], 0.0, "{balancer:?}");
    }
}

#[test]
fn what_was_tried_is_not_picked_again_and_weight_0_never_is() {
    for balancer in ALL {
        for key in [None, Some(1), Some(u64::MAX)] {
            let mut pool = Pool::new(balancer, &[1, 1, 0]);
            pool.tried.insert(0);
            assert_eq!(pool.pick_by(key), Some(1), "{balancer:?}");
            pool.tried.insert(1);
            assert_eq!(pool.pick_by(key), None, "{balancer:?}");
            assert_eq!(Pool::new(balancer, &[]).pick_by(key), None);
            assert_eq!(Pool::new(balancer, &[0]).pick_by(key), None);
        }
    }
}

#[test]
fn one_that_is_hardly_ever_drawn_is_found_when_it_is_the_only_one_left() {
    for balancer in ALL {
        let mut pool = Pool::new(balancer, &[65_535, 1]);
        pool.tried.insert(0);
        assert_eq!(pool.pick(), Some(1), "{balancer:?}");
    }
}

#[test]
fn round_robin_is_exact_over_each_turn_and_spreads_the_heavier_ones_out() {
    let pool = Pool::new(Balancer::RoundRobin, &[5, 1, 1]);
    let picks: Vec<usize> = (0..70).map(|_| pool.pick().unwrap()).collect();
    for window in picks.windows(7) {
        let heavy = window.iter().filter(|place| **place == 0).count();
        assert_eq!(heavy, 5, "{picks:?}");
    }
    let even = Pool::new(Balancer::RoundRobin, &[100; 3]);
    let picks: Vec<usize> = (0..6).map(|_| even.pick().unwrap()).collect();
    assert_eq!(picks[..3], picks[3..]);
    assert_eq!(HashSet::<usize>::from_iter(picks).len(), 3);
}

#[test]
fn a_request_that_is_sent_again_takes_nobodys_turn() {
    let mut pool = Pool::new(Balancer::RoundRobin, &[1, 1]);
    let (one, other) = (pool.pick().unwrap(), Some(pool.pick().unwrap()));
    for _ in 0..3 {
        assert_eq!(pool.pick(), Some(one));
        pool.tried.insert(one);
        assert_eq!(pool.pick(), other);
        pool.tried.clear();
        assert_eq!(pool.pick(), other);
    }
}

#[test]
fn requests_that_are_sent_again_spread_over_the_others() {
    let mut pool = Pool::new(Balancer::RoundRobin, &[1; 5]);
    pool.tried.insert(2);
    assert_near(&pool.shares(20_000), &[0.25, 0.25, 0.0, 0.25, 0.25]);
}

#[test]
fn workers_do_not_begin_with_the_same_target() {
    let pool = Pool::new(Balancer::RoundRobin, &[1; 10]);
    let first = || {
        *pool.cursor.borrow_mut() = Cursor::default();
        pool.pick().unwrap()
    };
    let firsts: HashSet<usize> = (0..50).map(|_| first()).collect();
    assert!(firsts.len() > 5, "{firsts:?}");
}

#[test]
fn least_request_prefers_the_less_loaded() {
    // The busy one is picked only where both draws fall on it.
    let mut pool = Pool::new(Balancer::LeastRequest, &[100, 100]);
    pool.in_flight = vec![10, 0];
    assert_near(&pool.shares(20_000), &[0.25, 0.75]);
    // 4 in flight over 400 is as much as 1 over 100: by weight again.
    let mut pool = Pool::new(Balancer::LeastRequest, &[400, 100]);
    pool.in_flight = vec![4, 1];
    assert_near(&pool.shares(20_000), &[0.8, 0.2]);
}

#[test]
fn more_choices_find_the_least_loaded_more_often() {
    let spec = BalanceSpec {
        balancer: Balancer::LeastRequest,
        choice_count: 4,
        ..BalanceSpec::default()
    };
    let mut pool = Pool::with(spec, &[(1, 0), (1, 0)]);
    pool.in_flight = vec![10, 0];
    assert_near(&pool.shares(20_000), &[0.0625, 0.9375]);
}

#[test]
fn peak_ewma_goes_by_what_a_request_costs() {
    let mut pool = Pool::new(Balancer::PeakEwma, &[1, 1, 1]);
    pool.costs = vec![0.5, 0.01, 0.5];
    let shares = pool.shares(20_000);
    // It is among two draws of three with a chance of 5 in 9.
    assert_near(&shares, &[2.0 / 9.0, 5.0 / 9.0, 2.0 / 9.0]);
}

#[test]
fn one_that_is_brought_in_gets_its_part_of_its_weight() {
    for balancer in [
        Balancer::RoundRobin,
        Balancer::Random,
        Balancer::LeastRequest,
    ] {
        let mut pool = Pool::new(balancer, &[100, 100]);
        pool.ramps = vec![1.0, 0.25];
        assert_near(&pool.shares(20_000), &[0.8, 0.2]);
    }
}

#[test]
fn thousands_of_targets_are_shared_too() {
    for balancer in ALL {
        let pool = Pool::new(balancer, &[10; 5000]);
        let picked: HashSet<usize> = (0..20_000_u64)
            .filter_map(|it| pool.pick_by(Some(it.wrapping_mul(0x9E37_79B9_7F4A_7C15))))
            .collect();
        assert!(picked.len() > 4_500, "{balancer:?}: {}", picked.len());
    }
}

//! Where keys go, and how many move when a target does.

use std::time::Duration;

use gatewright_proto::v1::Balancer;
use rand::{SeedableRng, rngs::StdRng};

use super::Pool;
use crate::{
    RequestContext,
    balance::{BalanceSpec, HashBy, HashPolicy, Keyed, xxhash::xxh64},
    cookie::Cookie,
    plugin::tests::request::{Request, consumer},
};

const KEYS: u64 = 20_000;

fn spec(balancer: Balancer) -> BalanceSpec {
    BalanceSpec {
        balancer,
        ..BalanceSpec::default()
    }
}

fn key(number: u64) -> u64 {
    xxh64(&number.to_le_bytes(), 9)
}

/// Where each key goes, by name.
fn owners<'n>(balancer: Balancer, names: &[&'n str]) -> Vec<&'n str> {
    let members: Vec<(&str, u32, u32)> = names.iter().map(|name| (*name, 10, 0)).collect();
    let pool = Pool::named(spec(balancer), &members);
    (0..KEYS)
        .map(|it| names[pool.pick_by(Some(key(it))).unwrap()])
        .collect()
}

#[test]
fn when_one_of_ten_goes_little_more_than_its_own_keys_move() {
    const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    for (balancer, most_others) in [(Balancer::RingHash, 0.0), (Balancer::Maglev, 0.01)] {
        let before = owners(balancer, &NAMES);
        let after = owners(balancer, &NAMES[..9]);
        let both = before.iter().zip(&after);
        let moved = both
            .filter(|(before, after)| **before != "j" && before != after)
            .count();
        let others = moved as f64 / KEYS as f64;
        assert!(others <= most_others, "{balancer:?}: {others}");
        let own = before.iter().filter(|name| **name == "j").count() as f64 / KEYS as f64;
        assert!((0.05..0.15).contains(&own), "{balancer:?}: {own}");
    }
}

#[test]
fn only_the_keys_of_one_that_cannot_be_used_move_and_they_spread() {
    for balancer in [Balancer::RingHash, Balancer::Maglev] {
        let mut pool = Pool::with(spec(balancer), &[(10, 0); 10]);
        let owners = |pool: &Pool| -> Vec<usize> {
            (0..KEYS)
                .map(|it| pool.pick_by(Some(key(it))).unwrap())
                .collect()
        };
        let before = owners(&pool);
        pool.fail([3]);
        let after = owners(&pool);
        let mut heirs = std::collections::HashSet::new();
        for (before, after) in before.iter().zip(&after) {
            match *before == 3 {
                true => drop(heirs.insert(*after)),
                false => assert_eq!(before, after),
            }
        }
        assert_eq!(heirs.len(), 9, "{balancer:?}");
    }
}

#[test]
fn a_ring_and_a_table_are_as_large_as_they_should_be() {
    let size = |balancer, weights: &[(u32, u32)]| {
        let pool = Pool::with(spec(balancer), weights);
        pool.plan.levels[0].table.walk(0).count()
    };
    for weights in [&[(1, 0)][..], &[(100, 0); 3], &[(1, 0), (65_535, 0)]] {
        let points = size(Balancer::RingHash, weights);
        assert!((1024..=2048 + weights.len()).contains(&points), "{points}");
    }
    let points = size(Balancer::RingHash, &[(100, 0); 100]);
    assert!(
        (6400..=12_800).contains(&points),
        "64 to 128 each: {points}"
    );
    assert_eq!(size(Balancer::Maglev, &[(1, 0); 3]), 65_537);
    assert_eq!(size(Balancer::Maglev, &[(1, 0); 656]), 655_373);
}

#[test]
fn keys_are_shared_by_weight() {
    for (balancer, within) in [(Balancer::RingHash, 0.08), (Balancer::Maglev, 0.015)] {
        let pool = Pool::with(spec(balancer), &[(1, 0), (2, 0), (5, 0)]);
        let mut counts = [0_u32; 3];
        for it in 0..KEYS {
            counts[pool.pick_by(Some(key(it))).unwrap()] += 1;
        }
        for (count, expected) in counts.iter().zip([0.125, 0.25, 0.625]) {
            let share = f64::from(*count) / KEYS as f64;
            assert!(
                (share - expected).abs() < within,
                "{balancer:?}: {counts:?}"
            );
        }
    }
}

#[test]
fn the_order_of_the_targets_decides_nothing() {
    for balancer in [Balancer::RingHash, Balancer::Maglev] {
        let before = owners(balancer, &["a", "b", "c"]);
        assert!(before == owners(balancer, &["c", "a", "b"]), "{balancer:?}");
    }
}

#[test]
fn nobody_has_more_than_the_bound_of_its_share() {
    for balancer in [Balancer::RingHash, Balancer::Maglev] {
        let spec = BalanceSpec {
            hash_balance_percent: Some(150),
            ..spec(balancer)
        };
        let mut pool = Pool::with(spec, &[(10, 0), (10, 0), (20, 0)]);
        // All have one key, and none of them ever ends.
        for all in 1..=1000_u32 {
            let place = pool.pick_by(Some(key(1))).unwrap();
            pool.in_flight[place] += 1;
            for (in_flight, share) in pool.in_flight.iter().zip([0.25, 0.25, 0.5]) {
                let bound = (1.5 * f64::from(all) * share).ceil();
                assert!(
                    f64::from(*in_flight) <= bound,
                    "{balancer:?}: {:?}",
                    pool.in_flight
                );
            }
        }
        let used = pool.in_flight.iter().filter(|it| **it > 0);
        assert!(used.count() > 1, "{:?}", pool.in_flight);
    }
}

#[test]
fn without_other_load_a_key_goes_where_it_belongs_whatever_the_bound() {
    let plain = Pool::with(spec(Balancer::RingHash), &[(10, 0); 5]);
    let bound = BalanceSpec {
        hash_balance_percent: Some(100),
        ..spec(Balancer::RingHash)
    };
    let bound = Pool::with(bound, &[(10, 0); 5]);
    for it in 0..100 {
        assert_eq!(plain.pick_by(Some(key(it))), bound.pick_by(Some(key(it))));
    }
}

fn context(query: &str, headers: &[(&str, &str)]) -> RequestContext {
    let mut request = Request::get(&format!("/?{query}"))
        .from("192.0.2.7")
        .of(consumer("alice", &[]));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.context
}

fn cookie(ttl: Option<u64>) -> HashBy {
    HashBy::Cookie(Cookie {
        name: "c".into(),
        ttl: ttl.map(Duration::from_secs),
        path: "/".into(),
    })
}

fn keyed(policies: &[(HashBy, bool)], context: &RequestContext) -> Keyed {
    let policy = |(by, terminal): &(HashBy, bool)| HashPolicy {
        by: by.clone(),
        terminal: *terminal,
    };
    let policies: Vec<HashPolicy> = policies.iter().map(policy).collect();
    Keyed::new(&policies, context, &mut StdRng::seed_from_u64(1))
}

#[test]
fn what_is_hashed_is_what_the_policy_says() {
    let one = context("a=1&b=2", &[("x-user", "u1"), ("cookie", "c=7")]);
    let expected = |text: &str| Some(xxh64(text.as_bytes(), 0));
    let key = |by| keyed(&[(by, false)], &one).key;
    assert_eq!(
        key(HashBy::Header(http::HeaderName::from_static("x-user"))),
        expected("u1")
    );
    assert_eq!(key(HashBy::Query("b".into())), expected("2"));
    assert_eq!(key(HashBy::Consumer), expected("alice"));
    assert_eq!(key(cookie(None)), expected("7"));
    assert_eq!(key(HashBy::ClientAddress), Some(xxh64(&[192, 0, 2, 7], 0)));
    assert_eq!(key(HashBy::Query("c".into())), None);
}

#[test]
fn policies_add_up_until_one_is_terminal() {
    let user = || HashBy::Header(http::HeaderName::from_static("x-user"));
    let (with, without) = (context("q=1", &[("x-user", "u")]), context("q=1", &[]));
    let both = [(user(), false), (HashBy::Query("q".into()), false)];
    let only = keyed(&[(user(), false)], &with).key;
    assert_ne!(keyed(&both, &with).key, only);
    let ends = [(user(), true), (HashBy::Query("q".into()), false)];
    assert_eq!(keyed(&ends, &with).key, only);
    // Where it finds nothing, those that follow have their turn.
    assert_eq!(keyed(&ends, &without).key, Some(xxh64(b"1", 0)));
    // Two equal ones do not cancel out.
    assert_ne!(
        keyed(&[(user(), false), (user(), false)], &with).key,
        Some(0)
    );
}

#[test]
fn a_cookie_that_is_missing_is_made_where_it_has_a_lifetime() {
    let request = context("", &[]);
    assert_eq!(keyed(&[(cookie(None), false)], &request).key, None);
    let made = keyed(&[(cookie(Some(60)), false)], &request);
    assert_eq!(made.generated.len(), 1);
    let value = &made.generated[0].value;
    assert_eq!(
        (value.len(), made.key),
        (32, Some(xxh64(value.as_bytes(), 0)))
    );
    let again = context("", &[("cookie", "c=7")]);
    assert!(
        keyed(&[(cookie(Some(60)), false)], &again)
            .generated
            .is_empty()
    );
}

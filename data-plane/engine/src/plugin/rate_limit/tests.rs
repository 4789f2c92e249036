use std::hash::Hash;

use serde_json::{Value, json};

use super::{
    gcra::Quota,
    store::{KeyBytes, Store, Verdict},
};
use crate::plugin::tests::{Request, consumer, limited_registry, mistakes, plugin};

const SECOND: u64 = 1_000_000_000;

fn limit(requests: u32, per: &str) -> Value {
    json!({"limits": [{"requests": requests, "per": per}], "key": "client_address"})
}

fn key(store: &Store, of: impl Hash) -> u128 {
    let mut bytes = KeyBytes::default();
    of.hash(&mut bytes);
    store.hash(&bytes)
}

fn charge(store: &Store, key: u128, quotas: &[Quota], now: u64) -> Verdict {
    store.charge(key, quotas, 1600, now)
}

#[tokio::test]
async fn the_request_over_the_limit_gets_429_and_is_told_when_to_retry() {
    let limit = plugin("rate-limit", &limit(2, "1m"));
    for _ in 0..2 {
        assert_eq!(Request::get("/").refusal(&limit).await, None);
    }
    let rejection = Request::get("/")
        .rejection(&limit)
        .await
        .expect("it is refused");
    assert_eq!(rejection.code.status(), 429);
    assert_eq!(rejection.headers[0].0, "retry-after");
    assert_eq!(rejection.headers[0].1, "30");
    assert_eq!(rejection.detail, "over the limit of 2 requests in 1m");
}

#[tokio::test]
async fn every_answer_says_where_the_client_stands() {
    let limits = json!({"limits": [{"requests": 60, "per": "1m"}, {"requests": 2, "per": "10s"}]});
    let limit = plugin("rate-limit", &limits);
    for expected in [
        "\"test-10s\";r=1;t=5, \"test-1m\";r=59;t=1",
        "\"test-10s\";r=0;t=10, \"test-1m\";r=58;t=2",
        // Refused, and so not charged.
        "\"test-10s\";r=0;t=10, \"test-1m\";r=58;t=2",
    ] {
        let response = Request::get("/").response(&limit, &[]).await;
        assert_eq!(response["ratelimit"], expected);
        let policy = "\"test-10s\";q=2;w=10, \"test-1m\";q=60;w=60";
        assert_eq!(response["ratelimit-policy"], policy);
    }
    let silent = json!({"limits": [{"requests": 1, "per": "1s"}], "announce": false});
    let response = Request::get("/")
        .response(&plugin("rate-limit", &silent), &[])
        .await;
    assert!(response.is_empty());
}

#[tokio::test]
async fn each_key_has_a_count_of_its_own() {
    let by = |key: Value| {
        plugin(
            "rate-limit",
            &json!({"limits": [{"requests": 1, "per": "1h"}], "key": key}),
        )
    };
    let consumer_limit = by(json!("consumer"));
    let alice = || Request::get("/").of(consumer("alice", &[]));
    assert_eq!(
        alice().from("10.0.0.1").refusal(&consumer_limit).await,
        None
    );
    assert_eq!(
        alice().from("10.0.0.2").refusal(&consumer_limit).await,
        Some("rate_limited")
    );
    // Nobody is known: by address.
    assert_eq!(
        Request::get("/")
            .from("10.0.0.1")
            .refusal(&consumer_limit)
            .await,
        None
    );
    assert_eq!(
        Request::get("/")
            .from("10.0.0.2")
            .refusal(&consumer_limit)
            .await,
        None
    );
    assert_eq!(
        Request::get("/")
            .from("10.0.0.2")
            .refusal(&consumer_limit)
            .await,
        Some("rate_limited")
    );
    // An address is not the consumer of that name.
    let odd = Request::get("/").of(consumer("10.0.0.2", &[]));
    assert_eq!(odd.refusal(&consumer_limit).await, None);
    let combined = by(json!(["header:x-tenant", "client_address"]));
    let tenant = |name| Request::get("/").header("x-tenant", name);
    assert_eq!(tenant("a").refusal(&combined).await, None);
    assert_eq!(tenant("b").refusal(&combined).await, None);
    assert_eq!(tenant("a").refusal(&combined).await, Some("rate_limited"));
    assert_eq!(tenant("a").from("10.9.9.9").refusal(&combined).await, None);
}

#[tokio::test]
async fn an_ipv6_client_cannot_escape_within_its_network() {
    let limit = plugin("rate-limit", &limit(1, "1h"));
    let from = |address| Request::get("/").from(address);
    assert_eq!(from("2001:db8::1").refusal(&limit).await, None);
    assert_eq!(
        from("2001:db8::ffff:1").refusal(&limit).await,
        Some("rate_limited")
    );
    assert_eq!(from("2001:db8:0:1::1").refusal(&limit).await, None);
    assert_eq!(from("::ffff:10.0.0.1").refusal(&limit).await, None);
    assert_eq!(from("10.0.0.1").refusal(&limit).await, Some("rate_limited"));
}

#[tokio::test]
async fn counts_survive_changed_limits() {
    let registry = limited_registry();
    let before = registry.plugin("rate-limit", &limit(2, "1h"));
    assert_eq!(Request::get("/").refusal(&before).await, None);
    assert_eq!(Request::get("/").refusal(&before).await, None);
    let after = registry.plugin("rate-limit", &limit(4, "1h"));
    assert_eq!(
        Request::get("/").refusal(&after).await,
        Some("rate_limited")
    );
    let shorter = registry.plugin("rate-limit", &limit(4, "1s"));
    let rejection = Request::get("/")
        .rejection(&shorter)
        .await
        .expect("it is refused");
    assert_eq!(
        rejection.headers[0].1, "1",
        "no longer than the new limit can ask for"
    );
}

#[test]
fn a_refused_request_is_charged_to_no_window() {
    let store = Store::default();
    let quotas = [
        Quota::new(1, 1000, 1).unwrap(),
        Quota::new(3, 60_000, 3).unwrap(),
    ];
    assert!(charge(&store, 1, &quotas, 0).refused.is_none());
    for _ in 0..10 {
        assert_eq!(charge(&store, 1, &quotas, 0).refused, Some((0, SECOND)));
    }
    for second in 1..3 {
        assert!(
            charge(&store, 1, &quotas, second * SECOND)
                .refused
                .is_none()
        );
    }
    assert_eq!(
        charge(&store, 1, &quotas, 3 * SECOND).refused,
        Some((1, 17 * SECOND))
    );
}

#[test]
fn the_store_is_bounded_and_forgets_those_that_used_least() {
    let store = Store::default();
    let quota = [Quota::new(100, 60_000, 100).unwrap()];
    let heavy = u128::MAX;
    for _ in 0..100 {
        assert!(charge(&store, heavy, &quota, 0).refused.is_none());
    }
    for light in 0..20_000_u128 {
        charge(&store, key(&store, light), &quota, 0);
        assert!(store.len() <= 1600);
    }
    assert!(
        charge(&store, heavy, &quota, 0).refused.is_some(),
        "it is not forgotten"
    );
}

#[test]
fn keys_that_are_full_again_make_room() {
    let store = Store::default();
    let quota = [Quota::new(1, 1000, 1).unwrap()];
    let key = |number: u64| key(&store, number);
    for number in 0..1000 {
        charge(&store, key(number), &quota, 0);
    }
    assert_eq!(store.len(), 1000);
    for number in 0..2000 {
        charge(&store, key(number), &quota, 2 * SECOND + number);
    }
    assert!(store.len() <= 1600);
    assert!(
        charge(&store, key(1999), &quota, 2 * SECOND + 2000)
            .refused
            .is_some()
    );
}

#[test]
fn two_threads_never_admit_more_than_the_limit() {
    let store = Store::default();
    let quota = [Quota::new(1000, 3_600_000, 1000).unwrap()];
    let admitted = || {
        (0..2000)
            .filter(|_| charge(&store, 7, &quota, 0).refused.is_none())
            .count()
    };
    let total: usize = std::thread::scope(|scope| {
        let threads = [scope.spawn(admitted), scope.spawn(admitted)];
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(total, 1000);
}

#[test]
fn mistakes_are_named() {
    let settings = json!({
        "limits": [{"requests": 0, "per": "1m"}, {"requests": 1, "per": "90"}, {"requests": 1, "per": "1s"},
            {"requests": 2, "per": "1s"}, {"requests": 1, "per": "744h", "burst": 1_000_000_000}],
        "key": ["consumr", "header:a b"], "max_keys": 1, "ipv6_prefix": 0,
    });
    let expected = [
        "settings.limits[0].requests",
        "settings.limits[1].per",
        "settings.limits[3].per",
        "settings.limits[4].burst",
        "settings.key[0]",
        "settings.key[1]",
        "settings.ipv6_prefix",
        "settings.max_keys",
    ];
    assert_eq!(mistakes("rate-limit", &settings), expected);
    assert_eq!(mistakes("rate-limit", &json!({})), ["settings.limits"]);
    let settings = json!({
        "limits": [{"requests": 1, "per": "1s"}],
        "adaptive": {"floor_percent": 0, "signals": {"error_percent": 101, "latency_percent": 100}},
    });
    let expected = [
        "settings.adaptive.floor_percent",
        "settings.adaptive.signals.error_percent",
        "settings.adaptive.signals.latency_percent",
    ];
    assert_eq!(mistakes("rate-limit", &settings), expected);
}

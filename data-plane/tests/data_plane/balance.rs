//! Which target a request goes to, and what it goes by.

use std::collections::{BTreeMap, HashSet};

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, status},
    targets::{dead, named},
    upstream::{read_request, scripted},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A gateway in front of upstream `u`, with targets that answer with their names.
struct Pool {
    gateway: Gateway,
    addresses: BTreeMap<&'static str, String>,
}

impl Pool {
    /// Targets take turns where the upstream does not say otherwise.
    async fn start(mut upstream: Value, targets: &[&'static str]) -> Self {
        if upstream["balancer"].is_null() {
            upstream["balancer"] = json!("round_robin");
        }
        let address = |name: &&'static str| (*name, named(name).to_string());
        let mut pool = Self {
            gateway: Gateway::start().await,
            addresses: NAMES.iter().map(address).collect(),
        };
        let mut resources = vec![
            (Kind::Upstream, upstream),
            (Kind::Service, json!({"name": "s", "upstream": "u"})),
            (Kind::Route, json!({"name": "r", "service": "s"})),
        ];
        resources.extend(targets.iter().map(|name| pool.target(name, json!({}))));
        pool.gateway.apply(&resources);
        pool
    }

    fn target(&self, name: &str, more: Value) -> (Kind, Value) {
        let mut target = json!({"name": name, "upstream": "u", "address": self.addresses[name]});
        let Value::Object(more) = more else {
            panic!("fields of a target: {more}");
        };
        target.as_object_mut().unwrap().extend(more);
        (Kind::Target, target)
    }

    fn change(&mut self, name: &str, more: Value) {
        let changed = self.target(name, more);
        self.gateway.apply(&[changed]);
    }

    /// A request with these fields.
    async fn with(&self, fields: &str) -> String {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        self.gateway.raw(request.as_bytes()).await
    }

    /// Who answers these many requests, and how often.
    async fn answers(&self, count: usize, fields: &str) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let answer = self.with(fields).await;
            assert_eq!(status(&answer), 200, "{answer}");
            *answers.entry(body(&answer).to_owned()).or_insert(0) += 1;
        }
        answers
    }
}

/// The cookie that an answer sets, with its attributes.
fn cookie(answer: &str) -> Option<&str> {
    let mut lines = answer.lines();
    lines.find_map(|line| {
        line.to_ascii_lowercase()
            .starts_with("set-cookie: ")
            .then(|| &line[12..])
    })
}

fn sent(cookie: &str) -> String {
    let (pair, _) = cookie.split_once(';').unwrap();
    format!("Cookie: other=1; {pair}\r\n")
}

#[tokio::test]
async fn a_session_stays_with_its_target_whatever_is_changed() {
    let mut pool = Pool::start(
        json!({"name": "u", "session": {"ttl_ms": "1h"}}),
        &["a", "b", "c"],
    )
    .await;
    let answer = pool.with("").await;
    let (own, set) = (body(&answer).to_owned(), cookie(&answer).unwrap());
    assert!(set.starts_with("gatewright-session="), "{set}");
    assert!(
        set.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    assert!(!set.contains("127.0.0.1"), "{set}");
    let fields = sent(set);
    for changed in [
        pool.target("d", json!({})),
        pool.target(&own, json!({"weight": 1})),
        (
            Kind::Upstream,
            json!({"name": "u", "balancer": "random", "session": {}}),
        ),
        // Drained: it keeps the clients it has.
        pool.target(&own, json!({"weight": 0})),
    ] {
        pool.gateway.apply(&[changed]);
        assert_eq!(pool.answers(5, &fields).await, [(own.clone(), 5)].into());
        assert_eq!(cookie(&pool.with(&fields).await), None);
    }
    assert!(!pool.answers(20, "").await.contains_key(&own));
    // Gone: another takes over, and says so.
    pool.change(&own, json!({"enabled": false}));
    let answer = pool.with(&fields).await;
    let heir = body(&answer).to_owned();
    assert_ne!(heir, own);
    let fields = sent(cookie(&answer).unwrap());
    assert_eq!(pool.answers(5, &fields).await, [(heir, 5)].into());
}

#[tokio::test]
async fn a_session_cookie_of_ones_own_making_leads_nowhere_in_particular() {
    let pool = Pool::start(
        json!({"name": "u", "session": {"cookie": "sid"}}),
        &["a", "b"],
    )
    .await;
    for made_up in ["127.0.0.1:22", "YQ", "AAAAAAAAAAAAAAAAAAAAAA", ""] {
        let answers = pool.answers(4, &format!("Cookie: sid={made_up}\r\n")).await;
        assert_eq!(answers, [("a".to_owned(), 2), ("b".to_owned(), 2)].into());
    }
}

#[tokio::test]
async fn a_session_goes_before_what_is_hashed() {
    let hash = json!([{"header": "x-user"}]);
    let upstream = json!({"name": "u", "balancer": "maglev", "hash": hash, "session": {}});
    let pool = Pool::start(upstream, &NAMES).await;
    let answer = pool.with("X-User: 1\r\n").await;
    let (own, session) = (body(&answer), sent(cookie(&answer).unwrap()));
    let mut hashed = HashSet::new();
    for user in 0..12 {
        let user = format!("X-User: {user}\r\n");
        hashed.insert(body(&pool.with(&user).await).to_owned());
        assert_eq!(body(&pool.with(&format!("{user}{session}")).await), own);
    }
    assert!(hashed.len() > 1, "{hashed:?}");
}

#[tokio::test]
async fn a_drained_target_gets_nothing_new() {
    let mut pool = Pool::start(json!({"name": "u"}), &["a", "b"]).await;
    assert_eq!(pool.answers(10, "").await.len(), 2);
    pool.change("a", json!({"weight": 0}));
    assert_eq!(pool.answers(10, "").await, [("b".to_owned(), 10)].into());
}

#[tokio::test]
async fn a_client_without_the_cookie_that_is_hashed_is_given_one() {
    let hash = json!([{"cookie": {"name": "shard", "ttl_ms": "1m", "path": "/"}}]);
    let upstream = json!({"name": "u", "balancer": "maglev", "hash": hash});
    let pool = Pool::start(upstream, &NAMES).await;
    let mut seen = HashSet::new();
    for _ in 0..12 {
        let answer = pool.with("").await;
        let set = cookie(&answer).unwrap();
        assert!(
            set.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
            "{set}"
        );
        let again = pool.with(&sent(set)).await;
        assert_eq!((body(&again), cookie(&again)), (body(&answer), None));
        seen.insert(body(&answer).to_owned());
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[tokio::test]
async fn what_is_hashed_goes_to_the_same_target_on_every_node() {
    let hash = json!([{"header": "x-user", "terminal": true}, {"client_address": true}]);
    for balancer in ["ring_hash", "maglev"] {
        let upstream = json!({"name": "u", "balancer": balancer, "hash": hash});
        let one = Pool::start(upstream.clone(), &NAMES).await;
        let mut other = Pool::start(upstream, &[]).await;
        other.addresses = one.addresses.clone();
        let targets: Vec<_> = NAMES
            .iter()
            .map(|name| other.target(name, json!({})))
            .collect();
        other.gateway.apply(&targets);
        let mut seen = HashSet::new();
        for user in 0..12 {
            let fields = format!("X-User: {user}\r\n");
            let answers = one.answers(2, &fields).await;
            assert_eq!(answers.len(), 1);
            assert_eq!(other.answers(2, &fields).await, answers);
            seen.extend(answers.into_keys());
        }
        assert!(seen.len() > 1, "{seen:?}");
        assert_eq!(one.answers(5, "").await.len(), 1, "by its address");
    }
}

#[tokio::test]
async fn a_target_that_joins_begins_with_little() {
    let slow = json!({"name": "u", "slow_start": {"window_ms": "1h", "min_weight_percent": 10}});
    let mut pool = Pool::start(slow, &["a", "b"]).await;
    assert_eq!(pool.answers(20, "").await["a"], 10);
    pool.change("c", json!({}));
    let answers = pool.answers(42, "").await;
    // A tenth of what each of the others gets.
    assert!(answers["c"] <= 4, "{answers:?}");
    // Without the setting, all of it at once.
    pool.gateway.apply(&[(
        Kind::Upstream,
        json!({"name": "u", "balancer": "round_robin"}),
    )]);
    assert_eq!(pool.answers(30, "").await["c"], 10);
}

#[tokio::test]
async fn one_that_fails_fast_does_not_attract_requests() {
    let failing = scripted(|mut socket| {
        while read_request(&mut socket).is_some() {
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
            if std::io::Write::write_all(&mut socket, answer).is_err() {
                return;
            }
        }
    });
    let upstream =
        json!({"name": "u", "balancer": "peak_ewma", "outlier_detection": {"enabled": false}});
    let mut pool = Pool::start(upstream, &["a", "b", "c"]).await;
    pool.gateway.apply(&[(
        Kind::Target,
        json!({"name": "d", "upstream": "u", "address": failing.to_string()}),
    )]);
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(status(&pool.with("").await) == 503);
    }
    // It is taken only where both draws of four fall on it: 6 in 100, where its share would be 25.
    assert!(failed < 20, "{failed}");
    let metrics = pool.gateway.status("/metrics").await;
    let estimate = r#"gatewright_target_latency_estimate_seconds{upstream="u",target="d"}"#;
    assert!(failed == 0 || metrics.contains(estimate), "{metrics}");
}

#[tokio::test]
async fn a_lower_priority_takes_over_and_no_request_is_lost() {
    let mut pool = Pool::start(json!({"name": "u"}), &["a"]).await;
    pool.change("b", json!({"priority": 1}));
    assert_eq!(pool.answers(10, "").await, [("a".to_owned(), 10)].into());
    let dead = json!({"name": "a", "upstream": "u", "address": dead().to_string()});
    pool.gateway.apply(&[(Kind::Target, dead)]);
    assert_eq!(pool.answers(10, "").await, [("b".to_owned(), 10)].into());
}

#[tokio::test]
async fn metrics_tell_of_the_targets_that_there_are() {
    let mut pool = Pool::start(json!({"name": "u"}), &["a", "b"]).await;
    pool.answers(10, "").await;
    let metrics = pool.gateway.status("/metrics").await;
    for line in [
        r#"gatewright_target_picks_total{upstream="u",target="a"} 5"#,
        r#"gatewright_target_in_flight{upstream="u",target="b"}"#,
        r#"gatewright_upstream_panic{upstream="u"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    // Counts survive a change of the upstream's settings; what is gone has no line.
    pool.gateway.apply(&[(
        Kind::Upstream,
        json!({"name": "u", "balancer": "least_request"}),
    )]);
    pool.change("b", json!({"enabled": false}));
    let metrics = pool.gateway.status("/metrics").await;
    assert!(
        metrics.contains(r#"gatewright_target_picks_total{upstream="u",target="a"} 5"#),
        "{metrics}"
    );
    assert!(!metrics.contains(r#"target="b""#), "{metrics}");
}

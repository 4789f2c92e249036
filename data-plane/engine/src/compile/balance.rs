//! How upstreams are balanced.

use std::time::Duration;

use gatewright_proto::v1::{self, Balancer};
use http::HeaderName;

use super::{Mistake, field};
use crate::{
    balance::{BalanceSpec, HashBy, HashPolicy, Session, SlowStart},
    cookie::Cookie,
};

/// Most policies of a hash.
const MAX_POLICIES: usize = 8;
/// Longest name of a cookie or a query parameter, and longest path, in bytes.
const MAX_TEXT_BYTES: usize = 256;
const SESSION_COOKIE: &str = "gatewright-session";

/// Reads what an upstream says of it.
pub(super) fn spec(upstream: &v1::Upstream, mistakes: &mut Vec<Mistake>) -> BalanceSpec {
    let balancer = Balancer::try_from(upstream.balancer);
    if balancer.is_err() {
        let reason = format!("`{}` is not a balancer known here", upstream.balancer);
        mistakes.push(Mistake::value("balancer", reason));
    } else {
        check_belongs(upstream, balancer.unwrap_or_default(), mistakes);
    }
    for (name, value, range) in [
        ("choice_count", upstream.choice_count, 2..=16),
        ("ewma_decay_ms", upstream.ewma_decay_ms, 100..=600_000),
        (
            "hash_balance_percent",
            upstream.hash_balance_percent,
            100..=1_000,
        ),
        (
            "panic_threshold_percent",
            upstream.panic_threshold_percent,
            0..=100,
        ),
        (
            "overprovisioning_percent",
            upstream.overprovisioning_percent,
            100..=1_000,
        ),
    ] {
        field::within(name, value, range, mistakes);
    }
    let default = BalanceSpec::default();
    let decay = upstream.ewma_decay_ms.map(milliseconds);
    BalanceSpec {
        balancer: balancer.unwrap_or_default(),
        choice_count: upstream.choice_count.unwrap_or(default.choice_count),
        ewma_decay: decay.unwrap_or(default.ewma_decay),
        hash: policies(&upstream.hash, mistakes),
        hash_balance_percent: upstream.hash_balance_percent,
        session: upstream.session.as_ref().map(|it| session(it, mistakes)),
        slow_start: upstream
            .slow_start
            .as_ref()
            .map(|it| slow_start(it, mistakes)),
        panic_threshold_percent: upstream
            .panic_threshold_percent
            .unwrap_or(default.panic_threshold_percent),
        overprovisioning_percent: upstream
            .overprovisioning_percent
            .unwrap_or(default.overprovisioning_percent),
    }
}

/// A setting that the balancer does not heed is a mistake: it would promise something.
fn check_belongs(upstream: &v1::Upstream, balancer: Balancer, mistakes: &mut Vec<Mistake>) {
    let hashes = matches!(balancer, Balancer::RingHash | Balancer::Maglev);
    let draws = matches!(balancer, Balancer::LeastRequest | Balancer::PeakEwma);
    let estimates = balancer == Balancer::PeakEwma;
    if hashes && upstream.hash.is_empty() {
        let reason =
            "is required: `ring_hash` and `maglev` need to know what of a request is hashed";
        mistakes.push(Mistake::new("hash", "required", reason));
    }
    let hashing = "the balancers `ring_hash` and `maglev`";
    for (name, is_set, belongs, to) in [
        ("hash", !upstream.hash.is_empty(), hashes, hashing),
        (
            "hash_balance_percent",
            upstream.hash_balance_percent.is_some(),
            hashes,
            hashing,
        ),
        (
            "choice_count",
            upstream.choice_count.is_some(),
            draws,
            "the balancers `least_request` and `peak_ewma`",
        ),
        (
            "ewma_decay_ms",
            upstream.ewma_decay_ms.is_some(),
            estimates,
            "the balancer `peak_ewma`",
        ),
        (
            "slow_start",
            upstream.slow_start.is_some(),
            !hashes,
            "balancers other than `ring_hash` and `maglev`",
        ),
    ] {
        if is_set && !belongs {
            mistakes.push(Mistake::value(name, format!("belongs to {to}")));
        }
    }
}

fn policies(policies: &[v1::HashPolicy], mistakes: &mut Vec<Mistake>) -> Vec<HashPolicy> {
    if policies.len() > MAX_POLICIES {
        let reason = format!("{} policies; at most {MAX_POLICIES}", policies.len());
        mistakes.push(Mistake::value("hash", reason));
    }
    let each = policies.iter().enumerate();
    let read = each.filter_map(|(place, policy)| {
        Some(HashPolicy {
            by: by(policy, &format!("hash[{place}]"), mistakes)?,
            terminal: policy.terminal.unwrap_or(false),
        })
    });
    read.collect()
}

fn by(policy: &v1::HashPolicy, at: &str, mistakes: &mut Vec<Mistake>) -> Option<HashBy> {
    let mut found = Vec::new();
    if !policy.header.is_empty() {
        match HeaderName::try_from(&policy.header) {
            Ok(name) => found.push(HashBy::Header(name)),
            Err(_) => {
                let reason = format!("`{}` is not a field name", policy.header);
                mistakes.push(Mistake::value(format!("{at}.header"), reason));
                return None;
            }
        }
    }
    if let Some(wanted) = &policy.cookie {
        let ttl = wanted.ttl_ms.map(milliseconds);
        let at = format!("{at}.cookie");
        found.push(HashBy::Cookie(cookie(
            (&wanted.name, "name"),
            ttl,
            &wanted.path,
            (&at, mistakes),
        )));
    }
    if !policy.query.is_empty() {
        if policy.query.len() > MAX_TEXT_BYTES || policy.query.contains(['&', '=', '#']) {
            let reason =
                format!("a name is at most {MAX_TEXT_BYTES} bytes without `&`, `=` and `#`");
            mistakes.push(Mistake::value(format!("{at}.query"), reason));
        }
        found.push(HashBy::Query(policy.query.as_str().into()));
    }
    let flag = |flag: Option<bool>, by| flag.unwrap_or(false).then_some(by);
    found.extend(flag(policy.client_address, HashBy::ClientAddress));
    found.extend(flag(policy.consumer, HashBy::Consumer));
    if found.len() != 1 {
        let reason = "exactly one of `header`, `cookie`, `client_address`, `query` and `consumer`";
        mistakes.push(Mistake::value(at, reason));
    }
    found.pop()
}

fn session(session: &v1::SessionPersistence, mistakes: &mut Vec<Mistake>) -> Session {
    let name = match session.cookie.as_str() {
        "" => SESSION_COOKIE,
        name => name,
    };
    let ttl = milliseconds(session.ttl_ms.unwrap_or(0));
    Session {
        cookie: cookie(
            (name, "cookie"),
            Some(ttl),
            &session.path,
            ("session", mistakes),
        ),
    }
}

/// A cookie by its name, and the field that has it.
fn cookie(
    (name, field): (&str, &str),
    ttl: Option<Duration>,
    path: &str,
    (at, mistakes): (&str, &mut Vec<Mistake>),
) -> Cookie {
    // A field name is a token too.
    if name.len() > MAX_TEXT_BYTES || HeaderName::try_from(name).is_err() {
        let reason = format!("`{name}` is not the name of a cookie");
        mistakes.push(Mistake::value(format!("{at}.{field}"), reason));
    }
    let path = match path {
        "" => "/",
        path => path,
    };
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    if !path.starts_with('/') || path.len() > MAX_TEXT_BYTES || !path.bytes().all(plain) {
        let reason = format!("`{path}` is not a path of a cookie; as `/shop`");
        mistakes.push(Mistake::value(format!("{at}.path"), reason));
    }
    Cookie {
        name: name.into(),
        ttl,
        path: path.into(),
    }
}

fn slow_start(slow: &v1::SlowStart, mistakes: &mut Vec<Mistake>) -> SlowStart {
    if slow.window_ms.is_none() {
        mistakes.push(Mistake::required("slow_start.window_ms"));
    }
    let (least, aggression) = (slow.min_weight_percent, slow.aggression_percent);
    field::within(
        "slow_start.window_ms",
        slow.window_ms,
        1..=3_600_000,
        mistakes,
    );
    field::within("slow_start.min_weight_percent", least, 1..=100, mistakes);
    field::within(
        "slow_start.aggression_percent",
        aggression,
        1..=10_000,
        mistakes,
    );
    SlowStart {
        window: milliseconds(slow.window_ms.unwrap_or(1)),
        min_weight_percent: least.unwrap_or(10),
        aggression_percent: aggression.unwrap_or(100),
    }
}

fn milliseconds(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

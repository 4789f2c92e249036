//! What an upstream stands for, and what a change of it leaves alone.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gatewright_engine::{
    Target, Upstream,
    balance::{BalanceSpec, SlowStart},
    dns::DnsSpec,
    health::HealthSpec,
    outcome::{End, Outcome},
};
use gatewright_proto::v1::Balancer;

use super::{UpstreamState, Upstreams, members};
use crate::upstream::names::Place;

fn upstream(targets: &[(&str, u32)]) -> Arc<Upstream> {
    balanced(targets, BalanceSpec::default())
}

fn balanced(targets: &[(&str, u32)], balance: BalanceSpec) -> Arc<Upstream> {
    let target = |(host, weight): &(&str, u32)| Target {
        name: (*host).into(),
        host: (*host).into(),
        port: 80,
        weight: *weight,
        priority: 0,
        srv: false,
    };
    Arc::new(Upstream {
        name: "u".into(),
        balance: Arc::new(balance),
        dns: DnsSpec::system(Duration::from_secs(5)),
        health: HealthSpec::default(),
        targets: targets.iter().map(target).collect(),
    })
}

#[test]
fn the_addresses_of_a_name_share_its_weight() {
    let spec = upstream(&[("a", 100), ("b", 100), ("c", 0)]);
    let ip = |last: u8| Place::of(&spec.targets[0], IpAddr::from([10, 0, 0, last]));
    let found = [vec![ip(1), ip(2)], vec![ip(3)], vec![ip(4), ip(5)]];
    let addresses = members(&spec, &found, (&Arc::new(UpstreamState::default()), false));
    let weights: Vec<u32> = addresses.iter().map(|it| it.weight).collect();
    assert_eq!(weights, [42_000, 42_000, 84_000, 0, 0]);
}

#[test]
fn the_services_of_a_name_have_ranks_and_share_its_weight_within_each() {
    let spec = upstream(&[("a", 100)]);
    let service = |rank: u32, share: u32, last: u8| Place {
        rank,
        share,
        port: 8000,
        host: Some("one".into()),
        ..Place::of(&spec.targets[0], IpAddr::from([10, 0, 0, last]))
    };
    let found = [vec![
        service(0, 3, 1),
        service(0, 1, 2),
        service(0, 0, 3),
        service(1, 0, 4),
        service(1, 0, 5),
    ]];
    let addresses = members(&spec, &found, (&Arc::new(UpstreamState::default()), false));
    let weights: Vec<_> = addresses
        .iter()
        .map(|it| (it.priority, it.weight))
        .collect();
    let expected = [(0, 63_000), (0, 21_000), (0, 1), (1, 42_000), (1, 42_000)];
    assert_eq!(weights, expected);
    assert_eq!(addresses[0].socket.port(), 8000);
    assert_eq!(addresses[0].authority(false), "one:8000");
    assert_eq!(&*addresses[0].host, "a", "what a certificate has to be for");
}

#[test]
fn a_change_forgets_no_request_in_flight() {
    let upstreams = Upstreams::new(1);
    let before = upstreams.keep(&upstream(&[("10.0.0.1", 100)]));
    let busy = before.addresses()[0].begin();
    let same = upstreams.keep(&upstream(&[("10.0.0.1", 100)]));
    assert!(Arc::ptr_eq(&before, &same));
    let after = upstreams.keep(&upstream(&[("10.0.0.1", 50), ("10.0.0.2", 50)]));
    let in_flight = |at: usize| after.addresses()[at].state.in_flight();
    assert_eq!((in_flight(0), in_flight(1)), (1, 0));
    drop(busy);
    assert_eq!(in_flight(0), 0);
}

#[test]
fn what_comes_back_while_a_request_is_in_flight_is_still_known() {
    let upstreams = Upstreams::new(1);
    let spec = upstream(&[("10.0.0.1", 100)]);
    let before = upstreams.keep(&spec);
    let busy = before.addresses()[0].begin();
    drop(before);
    upstreams.forget_unused();
    assert_eq!(upstreams.keep(&spec).addresses()[0].state.in_flight(), 1);
    drop(busy);
    upstreams.forget_unused();
    assert_eq!(upstreams.keep(&spec).addresses()[0].state.in_flight(), 0);
}

#[test]
fn an_estimate_outlives_the_settings_it_was_made_under() {
    let upstreams = Upstreams::new(1);
    let by_latency = |choice_count| BalanceSpec {
        balancer: Balancer::PeakEwma,
        choice_count,
        ..BalanceSpec::default()
    };
    let targets = [("10.0.0.1", 100)];
    let before = upstreams.keep(&balanced(&targets, by_latency(2)));
    let slow = Outcome {
        end: End::Response {
            status: http::StatusCode::OK,
            grpc: None,
        },
        took: Duration::from_secs(3),
    };
    let now = Instant::now();
    before.addresses()[0].finish(&slow, now);
    let after = upstreams.keep(&balanced(&targets, by_latency(3)));
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(after.figures()[0].estimate.map(f64::round), Some(3.0));
    // Where nobody goes by it, nothing is learnt.
    let plain = upstreams.keep(&upstream(&targets));
    plain.addresses()[0].finish(&slow, now);
    assert_eq!(plain.figures()[0].estimate, None);
}

#[test]
fn only_those_that_join_others_begin_slowly() {
    let upstreams = Upstreams::new(1);
    let slow_start = SlowStart {
        window: Duration::from_secs(100),
        min_weight_percent: 10,
        aggression_percent: 100,
    };
    let slow = || BalanceSpec {
        slow_start: Some(slow_start.clone()),
        ..BalanceSpec::default()
    };
    let first = upstreams.keep(&balanced(&[("10.0.0.1", 100)], slow()));
    let both = [("10.0.0.1", 100), ("10.0.0.2", 100)];
    let joined = upstreams.keep(&balanced(&both, slow()));
    drop(first);
    let ramp = |place: usize, after: u64| {
        let now = Instant::now() + Duration::from_secs(after);
        let share = joined.addresses()[place].state.ramp(&slow_start, now);
        (share * 100.0).round()
    };
    assert_eq!((ramp(0, 0), ramp(1, 0)), (100.0, 10.0));
    assert_eq!((ramp(0, 50), ramp(1, 50)), (100.0, 50.0));
    assert_eq!(ramp(1, 200), 100.0);
    // The same upstream with another weight: it has been there for as long.
    let again = upstreams.keep(&balanced(&[("10.0.0.1", 100), ("10.0.0.2", 50)], slow()));
    let state = |upstream: &super::LiveUpstream| Arc::clone(&upstream.addresses()[1].state);
    assert!(Arc::ptr_eq(&state(&joined), &state(&again)));
}

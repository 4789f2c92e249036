//! What an upstream stands for, and what a change of it leaves alone.

use std::{net::IpAddr, sync::Arc};

use gatewright_engine::{Target, Upstream, health::HealthSpec};
use gatewright_proto::v1::Balancer;

use super::{UpstreamState, Upstreams, members};

fn upstream(targets: &[(&str, u32)]) -> Arc<Upstream> {
    let target = |(host, weight): &(&str, u32)| Target {
        name: (*host).into(),
        host: (*host).into(),
        port: 80,
        weight: *weight,
    };
    Arc::new(Upstream {
        name: "u".into(),
        balancer: Balancer::RoundRobin,
        dns_refresh_ms: 5000,
        health: HealthSpec::default(),
        targets: targets.iter().map(target).collect(),
    })
}

#[test]
fn the_addresses_of_a_name_share_its_weight() {
    let spec = upstream(&[("a", 100), ("b", 100), ("c", 0)]);
    let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
    let found = [vec![ip(1), ip(2)], vec![ip(3)], vec![ip(4), ip(5)]];
    let addresses = members(&spec, &found, &Arc::new(UpstreamState::default()));
    let weights: Vec<u32> = addresses.iter().map(|it| it.weight).collect();
    assert_eq!(weights, [42_000, 42_000, 84_000, 0, 0]);
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

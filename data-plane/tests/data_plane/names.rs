//! Names of targets, asked of a name server whose answers change.

pub(crate) mod server;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use gatewright_proto::Kind;
use serde_json::{Value, json};
use server::{Dns, Record};

use crate::{
    gateway::{Gateway, body, status},
    targets::named,
    upstream::{read_request, serve},
};

/// A loopback address of its own.
pub(crate) fn local(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

/// Servers on one port of different addresses, each answering with its last digit.
fn servers(lasts: &[u8]) -> u16 {
    let first = TcpListener::bind((local(lasts[0]), 0)).unwrap();
    let port = first.local_addr().unwrap().port();
    let others = lasts[1..].iter();
    let others = others.map(|last| TcpListener::bind((local(*last), port)).unwrap());
    for listener in std::iter::once(first).chain(others) {
        let IpAddr::V4(ip) = listener.local_addr().unwrap().ip() else {
            panic!("an IPv4 address")
        };
        let last = ip.octets()[3].to_string();
        serve(listener, move |mut socket| {
            use std::io::Write as _;
            while read_request(&mut socket).is_some() {
                let length = last.len();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{last}");
                if socket.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
    port
}

/// A node with one upstream whose targets are names.
async fn node(dns: &Dns, discovery: Value, addresses: &[&str]) -> Gateway {
    let mut discovery = discovery;
    discovery["resolvers"] = json!([dns.address.to_string()]);
    let mut resources = vec![
        (
            Kind::Upstream,
            json!({"name": "u", "balancer": "round_robin", "discovery": discovery}),
        ),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
    ];
    resources.extend(addresses.iter().enumerate().map(|(number, address)| {
        let target = json!({"name": format!("t{number}"), "upstream": "u", "address": address});
        (Kind::Target, target)
    }));
    let mut gateway = Gateway::start().await;
    gateway.apply(&resources);
    gateway
}

/// Asks until the answer is this one.
async fn becomes(gateway: &Gateway, wanted: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let answer = gateway.get("/").await;
        let got = match status(&answer) {
            200 => body(&answer).to_owned(),
            other => other.to_string(),
        };
        if got == wanted {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{got}, not {wanted}");
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_name_is_asked_for_again_when_its_time_is_over_and_what_it_stands_for_gets_the_requests()
{
    let dns = Dns::start();
    let port = servers(&[11, 12]);
    dns.set("orders.test", Record::A(1, &[local(11)]));
    let discovery = json!({"type": "a", "min_ttl_ms": 100});
    let gateway = node(&dns, discovery, &[&format!("orders.test:{port}")]).await;
    becomes(&gateway, "11").await;
    dns.set("orders.test", Record::A(1, &[local(12)]));
    becomes(&gateway, "12").await;
    dns.set("orders.test", Record::A(3600, &[local(11)]));
    becomes(&gateway, "11").await;
    let asked = dns.asked();
    for _ in 0..20 {
        becomes(&gateway, "11").await;
    }
    assert_eq!(dns.asked(), asked, "its time is not over");
}

#[tokio::test]
async fn the_last_good_answer_stays_while_the_server_fails_and_nothing_is_an_answer() {
    let dns = Dns::start();
    let port = servers(&[13, 14]);
    dns.set("orders.test", Record::A(0, &[local(13)]));
    let discovery = json!({"type": "a", "min_ttl_ms": 100, "max_ttl_ms": 200});
    let gateway = node(&dns, discovery, &[&format!("orders.test:{port}")]).await;
    becomes(&gateway, "13").await;
    dns.set("orders.test", Record::ServerFailure);
    let failed = "gatewright_dns_lookups_total{upstream=\"u\",result=\"failed\"}";
    until("it fails", async || gateway.metric(failed).await > 2).await;
    becomes(&gateway, "13").await;
    let failing = "gatewright_dns_failing_names{upstream=\"u\"}";
    assert_eq!(gateway.metric(failing).await, 1);
    dns.set("orders.test", Record::A(0, &[local(14)]));
    becomes(&gateway, "14").await;
    assert_eq!(gateway.metric(failing).await, 0);
    dns.set("orders.test", Record::NoSuchName);
    becomes(&gateway, "503").await;
    dns.set("orders.test", Record::A(0, &[local(13)]));
    becomes(&gateway, "13").await;
}

#[tokio::test]
async fn what_is_too_stale_is_not_used() {
    let dns = Dns::start();
    let port = servers(&[15]);
    dns.set("orders.test", Record::A(0, &[local(15)]));
    let discovery = json!({
        "type": "a", "min_ttl_ms": 100, "max_ttl_ms": 100, "max_stale_ms": 1,
    });
    let gateway = node(&dns, discovery, &[&format!("orders.test:{port}")]).await;
    becomes(&gateway, "15").await;
    dns.set("orders.test", Record::ServerFailure);
    becomes(&gateway, "503").await;
}

#[tokio::test]
async fn services_are_found_with_their_ports_priorities_and_weights() {
    let dns = Dns::start();
    let (a, b, c) = (named("a"), named("b"), named("c"));
    for (host, last) in [("one.test", 1), ("two.test", 1)] {
        dns.set(host, Record::A(60, &[local(last)]));
    }
    let service =
        |priority, weight, address: SocketAddr, host| (priority, weight, address.port(), host);
    let services = [
        service(10, 3, a, "one.test"),
        service(10, 1, b, "two.test"),
        service(20, 1, c, "one.test"),
    ];
    dns.set("_http._tcp.orders.test", Record::Srv(0, &services));
    let discovery = json!({"type": "srv", "min_ttl_ms": 100, "max_ttl_ms": 200});
    let gateway = node(&dns, discovery, &["_http._tcp.orders.test"]).await;
    becomes(&gateway, "a").await;
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..40 {
        let answer = gateway.get("/").await;
        *counts.entry(body(&answer).to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts, [("a".to_owned(), 30), ("b".to_owned(), 10)].into());
    let only = [service(20, 1, c, "one.test")];
    dns.set("_http._tcp.orders.test", Record::Srv(0, &only));
    becomes(&gateway, "c").await;
    // RFC 2782: the service is not there.
    dns.set("_http._tcp.orders.test", Record::Srv(0, &[(0, 0, 0, ".")]));
    becomes(&gateway, "503").await;
}

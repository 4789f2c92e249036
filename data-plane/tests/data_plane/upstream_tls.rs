//! TLS towards targets: whom the gateway believes, as whom it comes, and which connections are shared.

mod target;

use std::path::Path;

use gatewright_proto::Kind;
use serde_json::{Value, json};

use crate::{
    gateway::{Gateway, body, eventually, status},
    names::{
        local,
        server::{Dns, Record},
    },
};
use target::{Asks, Authority, Issued, Target};

/// A gateway whose service `s` reaches a target with these settings of TLS.
async fn gateway_to(target: &Target, tls: &Value) -> Gateway {
    let mut gateway = Gateway::start().await;
    gateway.apply(&[service("s", target, tls), route("s")]);
    gateway
}

fn service(name: &str, target: &Target, tls: &Value) -> (Kind, Value) {
    let url = format!("https://{}", target.address);
    let mut tls = tls.clone();
    if tls["server_name"].is_null() {
        tls["server_name"] = json!("target.test");
    }
    let retry = json!({"attempts": 0});
    let service = json!({"name": name, "url": url, "tls": tls, "retry": retry});
    (Kind::Service, service)
}

fn route(service: &str) -> (Kind, Value) {
    let paths = json!([{"prefix": format!("/{service}")}]);
    let route = json!({"name": service, "service": service, "paths": paths});
    (Kind::Route, route)
}

fn certificate(name: &str, issued: &Issued) -> (Kind, Value) {
    let certificate =
        json!({"name": name, "certificate": issued.pem, "private_key": issued.key_pem()});
    (Kind::Certificate, certificate)
}

async fn failures(gateway: &Gateway, reason: &str) -> u64 {
    let line = format!(
        "gatewright_upstream_connections_failed_total{{service=\"s\",reason=\"{reason}\"}}"
    );
    gateway.metric(&line).await
}

#[tokio::test]
async fn a_target_is_believed_only_with_a_valid_certificate_of_its_authority_for_its_name() {
    let authority = Authority::new("a");
    let (good, expired) = (
        authority.issue("target.test"),
        authority.issue_expired("target.test"),
    );
    let trusting = json!({"ca_certificates": authority.pem});
    let cases = [
        (&good, trusting.clone(), None),
        (&good, json!({}), Some("certificate_authority")),
        (&good, json!({"verify": false}), None),
        (
            &good,
            json!({"ca_certificates": authority.pem, "server_name": "other.test"}),
            Some("certificate_name"),
        ),
        (&expired, trusting, Some("certificate_expired")),
    ];
    for (certificate, tls, failure) in cases {
        let target = Target::start(certificate, Asks::Nothing).await;
        let gateway = gateway_to(&target, &tls).await;
        let answer = gateway.get("/s").await;
        let Some(reason) = failure else {
            assert_eq!(status(&answer), 200, "{answer}");
            let opened = "gatewright_upstream_connections_opened_total{service=\"s\"}";
            assert_eq!(gateway.metric(opened).await, 1);
            continue;
        };
        assert_eq!(status(&answer), 503, "{reason}: {answer}");
        assert!(answer.contains("upstream_unreachable"), "{answer}");
        assert!(
            !answer.contains("ertificate"),
            "clients are not told: {answer}"
        );
        assert_eq!(failures(&gateway, reason).await, 1, "{reason}");
    }
}

/// The access lines, once the node has ended.
async fn lines(gateway: Gateway, folder: &Path) -> Vec<Value> {
    gateway.node.drain().await;
    let text = std::fs::read_to_string(folder.join("access.log")).unwrap();
    let line = |line| serde_json::from_str(line).unwrap();
    text.lines().map(line).collect()
}

#[tokio::test]
async fn the_access_line_says_why_there_was_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log").display().to_string();
    let authority = Authority::new("a");
    let expired = authority.issue_expired("target.test");
    let target = Target::start(&expired, Asks::Nothing).await;
    let mut gateway = Gateway::start_with(&["--access-log", &log]).await;
    let tls = json!({"ca_certificates": authority.pem});
    gateway.apply(&[service("s", &target, &tls), route("s")]);
    assert_eq!(status(&gateway.get("/s").await), 503);
    let lines = lines(gateway, folder.path()).await;
    assert_eq!(
        lines[0]["connect_failure"], "certificate_expired",
        "{lines:?}"
    );
}

#[tokio::test]
async fn authorities_may_be_in_a_secret_and_what_was_trusted_before_is_not_used_again() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let target = Target::start(&old.issue("target.test"), Asks::Nothing).await;
    let mut gateway = Gateway::start().await;
    let secret = |authority: &Authority| {
        (
            Kind::Secret,
            json!({"name": "authorities", "value": authority.pem}),
        )
    };
    let tls = json!({"ca_certificates": "secret:authorities"});
    gateway.apply(&[secret(&old), service("s", &target, &tls), route("s")]);
    assert_eq!(status(&gateway.get("/s").await), 200);
    assert_eq!(target.open(), 1, "kept for the next request");
    gateway.apply(&[secret(&new)]);
    eventually("the idle connection is closed", async || target.open() == 0).await;
    assert_eq!(status(&gateway.get("/s").await), 503);
    assert_eq!(failures(&gateway, "certificate_authority").await, 1);
}

#[tokio::test]
async fn a_target_that_asks_for_a_certificate_is_shown_the_one_that_is_named() {
    let authority = Authority::new("a");
    let target = Target::start(
        &authority.issue("target.test"),
        Asks::Requires(authority.pem.clone()),
    )
    .await;
    let trusting = json!({"ca_certificates": authority.pem});
    let gateway = gateway_to(&target, &trusting).await;
    let refused = status(&gateway.get("/s").await);
    assert!(matches!(refused, 502 | 503), "{refused}");
    let mut gateway = Gateway::start().await;
    // Names none of its own hosts, as certificates of clients do.
    let first = authority.issue_client("gateway");
    let mut tls = trusting;
    tls["client_certificate"] = json!("client");
    let all = [
        certificate("client", &first),
        service("s", &target, &tls),
        route("s"),
    ];
    gateway.apply(&all);
    let answer = gateway.get("/s").await;
    assert_eq!((status(&answer), body(&answer)), (200, &*first.digest()));
    let second = authority.issue_client("gateway");
    gateway.apply(&[certificate("client", &second)]);
    eventually("the idle connection is closed", async || target.open() == 0).await;
    let answer = gateway.get("/s").await;
    assert_eq!((status(&answer), body(&answer)), (200, &*second.digest()));
}

#[tokio::test]
async fn services_with_different_certificates_share_no_connection() {
    let authority = Authority::new("a");
    let asks = Asks::Accepts(authority.pem.clone());
    let target = Target::start(&authority.issue("target.test"), asks).await;
    let mut gateway = Gateway::start().await;
    let (one, other) = (
        authority.issue_client("one"),
        authority.issue_client("other"),
    );
    let tls = |name: &str| json!({"ca_certificates": authority.pem, "client_certificate": name});
    gateway.apply(&[
        certificate("one", &one),
        certificate("other", &other),
        service("one", &target, &tls("one")),
        service("other", &target, &tls("other")),
        service("same", &target, &tls("one")),
        service(
            "nobody",
            &target,
            &json!({"ca_certificates": authority.pem}),
        ),
        route("one"),
        route("other"),
        route("same"),
        route("nobody"),
    ]);
    for _ in 0..2 {
        for (path, expected) in [
            ("/one", one.digest()),
            ("/other", other.digest()),
            ("/same", one.digest()),
            ("/nobody", "nobody".to_owned()),
        ] {
            let answer = gateway.get(path).await;
            assert_eq!(
                (status(&answer), body(&answer)),
                (200, &*expected),
                "{path}"
            );
        }
    }
    assert_eq!(target.open(), 3, "equal settings share");
}

#[tokio::test]
async fn a_target_that_speaks_only_older_versions_than_allowed_is_refused() {
    let authority = Authority::new("a");
    let target = Target::start(&authority.issue("target.test"), Asks::Version12).await;
    for (min_version, expected) in [("tls12", 200), ("tls13", 503)] {
        let tls = json!({"ca_certificates": authority.pem, "min_version": min_version});
        let gateway = gateway_to(&target, &tls).await;
        assert_eq!(status(&gateway.get("/s").await), expected, "{min_version}");
        assert_eq!(failures(&gateway, "tls").await, u64::from(expected == 503));
    }
}

#[tokio::test]
async fn a_lookup_of_services_does_not_choose_the_name_that_certificates_are_checked_for() {
    let authority = Authority::new("a");
    let dns = Dns::start();
    dns.set("elsewhere.test", Record::A(60, &[local(1)]));
    for (host, server_name, expected) in [
        ("elsewhere.test", "", 503),
        ("orders.test", "", 200),
        ("elsewhere.test", "elsewhere.test", 200),
    ] {
        let target = Target::start(&authority.issue(host), Asks::Nothing).await;
        let services = [(1, 1, target.address.port(), "elsewhere.test")];
        dns.set("orders.test", Record::Srv(60, &services));
        let discovery = json!({"type": "srv", "resolvers": [dns.address.to_string()]});
        let tls = json!({"ca_certificates": authority.pem, "server_name": server_name});
        let mut gateway = Gateway::start().await;
        gateway.apply(&[
            (Kind::Upstream, json!({"name": "u", "discovery": discovery})),
            (
                Kind::Target,
                json!({"name": "t", "upstream": "u", "address": "orders.test"}),
            ),
            (
                Kind::Service,
                json!({"name": "s", "upstream": "u", "tls": tls}),
            ),
            route("s"),
        ]);
        let answer = gateway.get("/s").await;
        assert_eq!(status(&answer), expected, "{host}: {answer}");
        let refused = failures(&gateway, "certificate_name").await;
        assert_eq!(refused > 0, expected == 503, "{host}");
    }
}

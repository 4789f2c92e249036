//! TLS towards clients.

use std::{net::SocketAddr, sync::Arc};

use gatewright_proto::Kind;
use http::Request;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    gateway::{Gateway, body, status},
    http2::{PATIENCE, ask, gateway_to, speak},
    upstream,
};

#[tokio::test]
async fn the_certificate_is_picked_by_name_and_alpn_picks_the_version() {
    let mut gateway = Gateway::start().await;
    let mut resources = gateway_to(upstream::echo(), &json!({}), &json!({}));
    let mut pems = Vec::new();
    for (name, host) in [("exact", "a.shop.test"), ("wildcard", "*.shop.test")] {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        pems.push(made.cert.der().clone());
        let certificate = json!({
            "name": name,
            "certificate": made.cert.pem(),
            "private_key": made.signing_key.serialize_pem(),
        });
        resources.push((Kind::Certificate, certificate));
    }
    gateway.apply(&resources);
    for (name, expected) in [
        ("a.shop.test", Some(0)),
        ("b.shop.test", Some(1)),
        ("other.test", None),
    ] {
        let stream = handshake(gateway.node.https, &pems, name).await;
        let Some(expected) = expected else {
            assert!(stream.is_err());
            continue;
        };
        let stream = stream.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, pems[expected], "{name}");
        let requests = speak(stream).await;
        let request = Request::get(format!("https://{name}/")).body(()).unwrap();
        let (status, seen) = ask(&requests, request).await;
        assert_eq!(status, 200);
        assert!(seen.contains("x-forwarded-proto: https"), "{seen}");
    }
}

pub(crate) type Connected = std::io::Result<tokio_rustls::client::TlsStream<TcpStream>>;

async fn handshake(
    address: SocketAddr,
    trusted: &[CertificateDer<'static>],
    name: &str,
) -> Connected {
    handshake_with(address, trusted, name, b"h2").await
}

async fn handshake_with(
    address: SocketAddr,
    trusted: &[CertificateDer<'static>],
    name: &str,
    alpn: &[u8],
) -> Connected {
    let socket = TcpStream::connect(address).await.unwrap();
    handshake_over(socket, trusted, name, alpn).await
}

/// Likewise, on a connection on which something else has been sent before.
pub(crate) async fn handshake_over(
    socket: TcpStream,
    trusted: &[CertificateDer<'static>],
    name: &str,
    alpn: &[u8],
) -> Connected {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket);
    timeout(PATIENCE, connected).await.unwrap()
}

/// A certificate for these hosts, as a resource and as DER.
pub(crate) fn certificate(name: &str, hosts: &[&str]) -> (Value, CertificateDer<'static>) {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    let resource = json!({
        "name": name,
        "certificate": made.cert.pem(),
        "private_key": made.signing_key.serialize_pem(),
    });
    (resource, made.cert.der().clone())
}

/// A node with a certificate for two names and a wildcard, and another one for `other.test`.
async fn of_two_certificates(flags: &[&str]) -> (Gateway, Vec<CertificateDer<'static>>) {
    let mut gateway = Gateway::start_with(flags).await;
    let mut resources = gateway_to(upstream::echo(), &json!({}), &json!({}));
    let (first, der) = certificate("a", &["a.test", "b.test", "*.shop.test"]);
    let (second, other) = certificate("b", &["other.test"]);
    resources.extend([(Kind::Certificate, first), (Kind::Certificate, second)]);
    gateway.apply(&resources);
    (gateway, vec![der, other])
}

#[tokio::test]
async fn one_connection_serves_the_hosts_of_its_certificate_and_no_others() {
    let (gateway, pems) = of_two_certificates(&[]).await;
    let stream = handshake(gateway.node.https, &pems, "a.test").await;
    let requests = speak(stream.unwrap()).await;
    for (host, expected) in [
        ("a.test", 200),
        ("A.test:8443", 200),
        ("b.test", 200),
        ("x.shop.test", 200),
        ("other.test", 421),
        ("shop.test", 421),
        ("y.x.shop.test", 421),
        ("127.0.0.1", 421),
        ("a.test", 200),
    ] {
        let request = Request::get(format!("https://{host}/")).body(()).unwrap();
        let (status, text) = ask(&requests, request).await;
        assert_eq!(status, expected, "{host}: {text}");
        assert_eq!(status == 421, text.contains("misdirected_request"));
    }
}

/// What a client of HTTP/1.1 gets that names one host in TLS and another in Host.
async fn disagreeing(gateway: &Gateway, pems: &[CertificateDer<'static>]) -> String {
    let connected = handshake_with(gateway.node.https, pems, "a.test", b"http/1.1").await;
    let mut stream = connected.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_host_that_the_certificate_is_not_for_is_misdirected() {
    let (gateway, pems) = of_two_certificates(&[]).await;
    let answer = disagreeing(&gateway, &pems).await;
    assert_eq!(status(&answer), 421, "{answer}");
    assert!(body(&answer).contains("misdirected_request"), "{answer}");
}

#[tokio::test]
async fn a_proxy_in_front_may_name_in_tls_what_it_likes() {
    let (gateway, pems) = of_two_certificates(&["--trusted-proxies", "127.0.0.0/8"]).await;
    let answer = disagreeing(&gateway, &pems).await;
    assert_eq!(status(&answer), 200, "{answer}");
}

#[tokio::test]
async fn routes_are_told_apart_by_the_name_that_was_asked_for() {
    let mut gateway = Gateway::start().await;
    let (resource, der) = certificate("c", &["*.shop.test"]);
    let route = |name: &str, asked: Value| {
        let mut route = json!({"name": name, "direct_response": {"body": name}});
        for (field, value) in asked.as_object().unwrap() {
            route[field] = value.clone();
        }
        (Kind::Route, route)
    };
    gateway.apply(&[
        (Kind::Certificate, resource),
        route("named", json!({"server_names": ["a.shop.test"]})),
        route(
            "expression",
            json!({"when": "request.server_name == 'b.shop.test' && request.scheme == 'https'"}),
        ),
        route("plain", json!({})),
    ]);
    for (name, expected) in [
        ("a.shop.test", "named"),
        ("b.shop.test", "expression"),
        ("c.shop.test", "plain"),
    ] {
        let stream = handshake(gateway.node.https, std::slice::from_ref(&der), name).await;
        let requests = speak(stream.unwrap()).await;
        let request = Request::get(format!("https://{name}/")).body(()).unwrap();
        assert_eq!(ask(&requests, request).await, (200, expected.to_owned()));
    }
    let without = "GET / HTTP/1.1\r\nHost: a.shop.test\r\nConnection: close\r\n\r\n";
    assert_eq!(body(&gateway.raw(without.as_bytes()).await), "plain");
}

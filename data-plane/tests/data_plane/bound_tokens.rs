//! Tokens that are bound to a client's certificate (RFC 8705), over sockets.

use std::{io::Write as _, net::SocketAddr, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gatewright_proto::Kind;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    gateway::{Gateway, status},
    http2::PATIENCE,
    tls::certificate,
    upstream::{echo, read_request, scripted},
};

/// A client's certificate, with its key.
type Shown = (CertificateDer<'static>, Vec<u8>);

fn client() -> Shown {
    let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
    (made.cert.der().clone(), made.signing_key.serialize_der())
}

/// Says of `bound` that it is bound to this certificate, and of all others that they are bound to nothing.
fn server(to: &CertificateDer<'static>) -> SocketAddr {
    let print = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, to));
    scripted(move |mut socket| {
        while let Some(request) = read_request(&mut socket) {
            let request = String::from_utf8(request).unwrap();
            let answer = match request.contains("token=bound&") {
                true => json!({"active": true, "cnf": {"x5t#S256": print}}),
                false => json!({"active": true}),
            };
            let answer = answer.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    })
}

async fn guarded(to: &CertificateDer<'static>, mode: &str) -> (Gateway, CertificateDer<'static>) {
    let target = echo().to_string();
    let (own, der) = certificate("own", &["a.test"]);
    let settings = json!({
        "endpoint": format!("http://{}/introspect", server(to)), "timeout_ms": 5000,
        "client": {"id": "gw", "secret": "secret:client"}, "sender_constrained": mode,
    });
    let mut gateway = Gateway::start().await;
    gateway.apply(&[
        (Kind::Certificate, own),
        (Kind::Upstream, json!({"name": "u"})),
        (
            Kind::Target,
            json!({"name": "t", "upstream": "u", "address": target}),
        ),
        (Kind::Service, json!({"name": "s", "upstream": "u"})),
        (Kind::Route, json!({"name": "r", "service": "s"})),
        (Kind::Secret, json!({"name": "client", "value": "s3cret"})),
        (
            Kind::Plugin,
            json!({"name": "p", "type": "introspection", "attach": {"route": "r"}, "settings": settings}),
        ),
    ]);
    (gateway, der)
}

/// What a client with this certificate, or none, gets for a token.
async fn ask(
    (gateway, own): &(Gateway, CertificateDer<'static>),
    shown: Option<&Shown>,
    token: &str,
) -> String {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates([own.clone()]);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some((der, key)) => {
            let key = PrivatePkcs8KeyDer::from(key.clone()).into();
            config
                .with_client_auth_cert(vec![der.clone()], key)
                .unwrap()
        }
    };
    let socket = TcpStream::connect(gateway.node.https).await.unwrap();
    let name = ServerName::try_from("a.test").unwrap();
    let connected = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket);
    let mut stream = timeout(PATIENCE, connected).await.unwrap().unwrap();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The end of TLS may be missing; what came before counts.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_passes_with_that_one_alone() {
    let (holder, thief) = (client(), client());
    for mode in ["mtls", "either"] {
        let gateway = guarded(&holder.0, mode).await;
        let cases = [
            (Some(&holder), "bound", 200),
            (Some(&thief), "bound", 401),
            (None, "bound", 401),
            (Some(&holder), "plain", 401),
            (Some(&holder), "bound", 200),
        ];
        for (shown, token, expected) in cases {
            let answer = ask(&gateway, shown, token).await;
            assert_eq!(status(&answer), expected, "{mode} {token}: {answer}");
            let challenged = answer.contains("error=\"invalid_token\"");
            assert_eq!(challenged, expected == 401, "{answer}");
        }
    }
    // Nobody asks for certificates then, so nobody can show one.
    let gateway = guarded(&holder.0, "when_bound").await;
    assert_eq!(status(&ask(&gateway, Some(&holder), "bound").await), 401);
    assert_eq!(status(&ask(&gateway, None, "plain").await), 200);
}

//! Checks go the way that requests go.

use std::{net::SocketAddr, sync::Arc};

use gatewright_proto::Kind;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{is_healthy, pool};
use crate::gateway::{Gateway, body, eventually};

/// A target that says `safe` in TLS, with a certificate for `target.test`, which is returned.
async fn target() -> (SocketAddr, String) {
    let names = vec!["target.test".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(socket).await else {
                continue;
            };
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    if line.ends_with("\n\r\n") {
                        line.clear();
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe";
                        stream.write_all(answer).await.unwrap();
                        stream.flush().await.unwrap();
                    }
                }
            });
        }
    });
    (address, cert.pem())
}

#[tokio::test]
async fn checks_speak_tls_where_requests_do() {
    let (address, pem) = target().await;
    let mut gateway = Gateway::start().await;
    let check = json!({"http": {"body_contains": "safe"}, "interval_ms": 100, "timeout_ms": 5000});
    let resources = pool(&check, &[("a", address)]);
    gateway.apply(&resources);
    eventually("it does not understand", async || {
        gateway.targets().await["a"]["reason"] != "not checked yet"
    })
    .await;
    assert!(!is_healthy(&gateway, "a").await);
    let tls = json!({"ca_certificates": pem, "server_name": "target.test"});
    let service = json!({"name": "s", "upstream": "u", "tls": tls});
    gateway.apply(&[(Kind::Service, service)]);
    eventually("it is healthy", async || is_healthy(&gateway, "a").await).await;
    assert_eq!(body(&gateway.get("/").await), "safe");
    let mut plain = check;
    plain["tls"] = json!(false);
    gateway.apply(&pool(&plain, &[])[..1]);
    eventually("it is asked in plain text", async || {
        !is_healthy(&gateway, "a").await
    })
    .await;
}

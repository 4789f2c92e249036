use std::{net::SocketAddr, sync::Arc, time::Duration};

use gatewright_engine::{Tls, TlsSettings};
use gatewright_proto::v1::Protocol;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Io, Link, Origin, Reason, SendError, open};

/// Listens with a certificate for `target.test` and accepts until the test is over; returns where, and the
/// certificate as PEM.
async fn listen(alpn: &[&[u8]]) -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } = certificate();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    (address, cert.pem())
}

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["target.test".to_owned()]).unwrap()
}

fn origin(address: SocketAddr, tls: Tls, protocol: Protocol) -> Origin {
    Origin {
        address,
        name: Some("target.test".into()),
        client: None,
        link: Arc::new(Link::new(Some(Arc::new(tls)), protocol)),
    }
}

fn trusting(pem: &str) -> Tls {
    Tls::new(TlsSettings {
        ca_certificates: Some(pem.into()),
        ..TlsSettings::default()
    })
}

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_target_with_a_certificate_of_a_given_authority_is_trusted() {
    let (address, pem) = listen(&[]).await;
    let origin = origin(address, trusting(&pem), Protocol::Http1);
    let io = open(&origin, PATIENCE).await.unwrap();
    assert!(matches!(io, Io::Tls(_)));
}

#[tokio::test]
async fn a_target_of_an_unknown_authority_is_refused_unless_verification_is_off() {
    let (address, _) = listen(&[]).await;
    let strict = trusting(&certificate().cert.pem());
    let refused = open(&origin(address, strict, Protocol::Http1), PATIENCE).await;
    let reason = refused.unwrap_err().reason();
    assert_eq!(reason, Some(Reason::CertificateAuthority));
    let lenient = Tls::new(TlsSettings {
        verify: false,
        ..TlsSettings::default()
    });
    let origin = origin(address, lenient, Protocol::Http1);
    assert!(open(&origin, PATIENCE).await.is_ok());
}

#[tokio::test]
async fn a_target_with_a_certificate_for_another_name_is_refused() {
    let (address, pem) = listen(&[]).await;
    let mut origin = origin(address, trusting(&pem), Protocol::Http1);
    origin.name = Some("other.test".into());
    let refused = open(&origin, PATIENCE).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::CertificateName));
}

#[tokio::test]
async fn http2_over_tls_needs_the_target_to_agree() {
    let (address, pem) = listen(&[b"h2"]).await;
    let agreeing = origin(address, trusting(&pem), Protocol::Http2);
    assert!(open(&agreeing, PATIENCE).await.is_ok());
    let (address, pem) = listen(&[]).await;
    let silent = origin(address, trusting(&pem), Protocol::Http2);
    assert!(open(&silent, PATIENCE).await.is_err());
}

#[tokio::test]
async fn a_target_that_never_finishes_the_handshake_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let timeout = Duration::from_millis(50);
    let late = open(&origin(address, trusting(""), Protocol::Http1), timeout).await;
    assert!(
        matches!(late, Err(SendError::ConnectTimeout(_))),
        "{late:?}"
    );
}

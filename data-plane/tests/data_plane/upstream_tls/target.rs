//! A target in TLS, and authorities.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// An authority of one test.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(super) struct Issued {
    pub(super) pem: String,
    der: CertificateDer<'static>,
    key: KeyPair,
}

impl Issued {
    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// What tells it from others.
    pub(super) fn digest(&self) -> String {
        digest(&self.der)
    }
}

fn digest(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    let hex = |byte: &u8| format!("{byte:02x}");
    digest.as_ref().iter().map(hex).collect()
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// For this host.
    pub(super) fn issue(&self, host: &str) -> Issued {
        self.sign(&CertificateParams::new([host.to_owned()]).unwrap())
    }

    /// For this host, but no longer.
    pub(super) fn issue_expired(&self, host: &str) -> Issued {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(&params)
    }

    /// For a client of this common name.
    pub(super) fn issue_client(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            key,
        }
    }
}

/// What a target asks of its clients.
pub(super) enum Asks {
    Nothing,
    /// No newer version than TLS 1.2.
    Version12,
    /// A certificate of this authority, if there is one.
    Accepts(String),
    /// A certificate of this authority.
    Requires(String),
}

/// Answers each request with the digest of the certificate that its client has shown.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Target {
    pub(super) async fn start(certificate: &Issued, asks: Asks) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(certificate, asks)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            open: Arc::default(),
        };
        let open = Arc::clone(&target.open);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, open) = (acceptor.clone(), Arc::clone(&open));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        open.fetch_add(1, Ordering::SeqCst);
                        serve(stream).await;
                        open.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        target
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

fn config(certificate: &Issued, asks: Asks) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let versions: &[_] = match asks {
        Asks::Version12 => &[&TLS12],
        _ => &[&TLS12, &TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap();
    let verifier = |pem: &str| {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
    };
    let builder = match asks {
        Asks::Nothing | Asks::Version12 => builder.with_no_client_auth(),
        Asks::Accepts(pem) => {
            let verifier = verifier(&pem).allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
        Asks::Requires(pem) => builder.with_client_cert_verifier(verifier(&pem).build().unwrap()),
    };
    let key = PrivateKeyDer::try_from(certificate.key.serialize_der()).unwrap();
    let chain = vec![certificate.der.clone()];
    builder.with_single_cert(chain, key).unwrap()
}

async fn serve(stream: TlsStream<TcpStream>) {
    let shown = stream.get_ref().1.peer_certificates();
    let name = shown.map_or_else(|| "nobody".to_owned(), |it| digest(&it[0]));
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
        name.len()
    );
    let mut stream = BufStream::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {
        if head.ends_with("\n\r\n") {
            head.clear();
            let written = stream.write_all(answer.as_bytes()).await;
            if written.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

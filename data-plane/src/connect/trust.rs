//! Which targets are believed to be who they say: TLS settings of a service to a `rustls` configuration.
//!
//! Configurations are kept, because each holds the sessions that later handshakes resume.

mod unverified;

use std::{
    collections::HashMap,
    io::{Error, ErrorKind, Result},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use gatewright_engine::Tls;
use gatewright_proto::v1::{Protocol, TlsVersion};
use rustls::{
    ClientConfig, RootCertStore,
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// The ALPN name of HTTP/2.
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Most configurations kept. Over it all are forgotten; open connections keep theirs.
const MAX_CONFIGS: usize = 256;

type Configs = HashMap<(Arc<Tls>, Protocol), Arc<ClientConfig>>;

static CONFIGS: LazyLock<Mutex<Configs>> = LazyLock::new(Mutex::default);

/// The configuration for these settings, built where it is not known yet.
///
/// # Errors
/// The authorities cannot be read.
pub(super) async fn config(tls: &Arc<Tls>, protocol: Protocol) -> Result<Arc<ClientConfig>> {
    let key = (Arc::clone(tls), protocol);
    if let Some(known) = known().get(&key) {
        return Ok(Arc::clone(known));
    }
    // Reading the operating system's store takes tens of milliseconds: not on a thread that serves.
    let settings = Arc::clone(tls);
    let built = tokio::task::spawn_blocking(move || build(&settings, protocol))
        .await
        .map_err(Error::other)??;
    let mut configs = known();
    if configs.len() >= MAX_CONFIGS {
        configs.clear();
    }
    Ok(Arc::clone(
        configs.entry(key).or_insert_with(|| Arc::new(built)),
    ))
}

fn known() -> std::sync::MutexGuard<'static, Configs> {
    // The map is whole between any two calls, so a panic elsewhere cannot have broken it.
    CONFIGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build(tls: &Tls, protocol: Protocol) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[_] = match tls.min_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(Error::other)?;
    let builder = if tls.verify {
        builder.with_root_certificates(roots(tls.ca_certificates.as_deref())?)
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(unverified::Unverified(provider)))
    };
    let mut config = match &tls.client_certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let shown = SingleCertAndKey::from(Arc::clone(&certificate.certified));
            builder.with_client_cert_resolver(Arc::new(shown))
        }
    };
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => HTTP1.to_vec(),
        Protocol::Http2 => HTTP2.to_vec(),
    }];
    Ok(config)
}

fn roots(pem: Option<&str>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let Some(pem) = pem else {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "an authority of the operating system cannot be read");
        }
        store.add_parsable_certificates(found.certs);
        return Ok(store);
    };
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let invalid = |error| Error::new(ErrorKind::InvalidData, error);
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| invalid(error.to_string()))?;
    }
    Ok(store)
}

//! TLS towards clients: certificates of the configuration, picked by SNI.

use std::sync::Arc;

use arc_swap::ArcSwap;
use gatewright_engine::Certificate;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::published::Published;

/// HTTP/2 in ALPN.
pub(crate) const HTTP2: &[u8] = b"h2";

/// TLS 1.2 and 1.3, HTTP/1.1. Without a certificate for the name a handshake fails.
///
/// # Errors
/// The provider lacks what is asked for, which would be a defect.
pub(crate) fn config(
    published: Arc<ArcSwap<Published>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(BySni(published)));
    // HTTP/2 is not offered before it is served.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The certificate for the exact name, else for a wildcard over it; of several, the first by name.
#[derive(Debug)]
struct BySni(Arc<ArcSwap<Published>>);

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let published = self.0.load();
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let exact = |it: &&Arc<Certificate>| it.hosts.iter().any(|host| **host == *name);
        let wildcard = |it: &&Arc<Certificate>| {
            let covers = |host: &str| host.strip_prefix("*.") == parent && parent.is_some();
            it.hosts.iter().any(|host| covers(host))
        };
        let certificates = &published.snapshot.certificates;
        let found = certificates.iter().find(exact);
        let found = found.or_else(|| certificates.iter().find(wildcard));
        found.map(|it| Arc::clone(&it.certified))
    }
}

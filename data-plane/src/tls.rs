//! TLS towards clients: certificates of the configuration, picked by SNI.

mod by_name;

use std::sync::Arc;

use arc_swap::ArcSwap;
use gatewright_engine::Certificate;
use rustls::{ServerConfig, crypto::aws_lc_rs};

use crate::published::Published;
use by_name::ByName;

/// HTTP/2 in ALPN.
pub(crate) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// How to talk TLS, and who one is then.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    by_name: Arc<ByName>,
}

impl Tls {
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed from tickets. Without a certificate for the
    /// name (or without a name) a handshake fails.
    ///
    /// # Errors
    /// The provider lacks what is asked for, which would be a defect.
    pub(crate) fn new(published: Arc<ArcSwap<Published>>) -> Result<Self, rustls::Error> {
        let by_name = Arc::new(ByName::new(published));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<ByName>::clone(&by_name));
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        let config = Arc::new(config);
        Ok(Self { config, by_name })
    }

    /// The certificate for a name.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<Certificate>> {
        self.by_name.find(name)
    }
}

//! TLS towards clients: certificates of the configuration, picked by SNI.

mod by_name;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::{ServerConfig, crypto::aws_lc_rs};

use crate::published::Published;
use by_name::ByName;

/// HTTP/2 in ALPN.
pub(crate) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed from tickets. Without a certificate for the
/// name (or without a name) a handshake fails.
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
        .with_cert_resolver(Arc::new(ByName::new(published)));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}

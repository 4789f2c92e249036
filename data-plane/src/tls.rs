//! TLS towards clients: certificates of the configuration, picked by SNI.

mod by_name;
mod possession;

use std::{io, sync::Arc};

use arc_swap::ArcSwap;
use gatewright_engine::Certificate;
use rustls::{ServerConfig, crypto::aws_lc_rs, server::Acceptor};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};

use crate::published::Published;
use by_name::ByName;
use possession::Possession;

/// HTTP/2 in ALPN.
pub(crate) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// How to talk TLS, and who one is then.
#[derive(Debug)]
pub(crate) struct Tls {
    plain: Arc<ServerConfig>,
    /// The same for clients that are asked for a certificate. Its tickets are its own: a session that began without
    /// being asked must not go on where one is asked for.
    asking: Arc<ServerConfig>,
    by_name: Arc<ByName>,
    published: Arc<ArcSwap<Published>>,
}

impl Tls {
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed from tickets. Without a certificate for the
    /// name (or without a name) a handshake fails.
    ///
    /// # Errors
    /// The provider lacks what is asked for, which would be a defect.
    pub(crate) fn new(published: Arc<ArcSwap<Published>>) -> Result<Self, rustls::Error> {
        let by_name = Arc::new(ByName::new(Arc::clone(&published)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let of = |asks: bool| -> Result<Arc<ServerConfig>, rustls::Error> {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?;
            let builder = match asks {
                true => builder.with_client_cert_verifier(Possession::new(&provider)),
                false => builder.with_no_client_auth(),
            };
            let mut config = builder.with_cert_resolver(Arc::<ByName>::clone(&by_name));
            config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
            config.ticketer = aws_lc_rs::Ticketer::new()?;
            Ok(Arc::new(config))
        };
        let (plain, asking) = (of(false)?, of(true)?);
        Ok(Self {
            plain,
            asking,
            by_name,
            published,
        })
    }

    /// Shakes hands, and says whether the client was asked for a certificate: it is where a route of the name needs one.
    ///
    /// # Errors
    /// The client and the node do not come to terms.
    pub(crate) async fn handshake(
        &self,
        socket: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, bool)> {
        if self.published.load().snapshot.asking.is_empty() {
            let accept = TlsAcceptor::from(Arc::clone(&self.plain)).accept(socket);
            return Ok((accept.await?, false));
        }
        let started = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let asks = match started.client_hello().server_name() {
            Some(name) => {
                let name = name.to_ascii_lowercase();
                self.published.load().snapshot.asking.has(&name)
            }
            None => false,
        };
        let config = if asks { &self.asking } else { &self.plain };
        Ok((started.into_stream(Arc::clone(config)).await?, asks))
    }

    /// The certificate for a name.
    pub(crate) fn certificate(&self, name: &str) -> Option<Arc<Certificate>> {
        self.by_name.find(name)
    }
}

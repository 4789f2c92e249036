//! Connections to control planes.

use std::{fmt, fs, net::IpAddr, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity as TlsIdentity};

use crate::settings::NodeSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// One control plane.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    url: String,
    endpoint: tonic::transport::Endpoint,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.url)
    }
}

/// Settings of the stream that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEndpoint(String);

impl Endpoint {
    /// All that the settings name.
    ///
    /// # Errors
    /// A URL that is none, plain text to another machine without leave, certificates that cannot be read.
    pub(crate) fn all(settings: &NodeSettings) -> Result<Vec<Self>, InvalidEndpoint> {
        let tls = tls(settings)?;
        let urls = settings.control_plane.iter().filter(|url| !url.is_empty());
        urls.map(|url| Self::new(url, tls.clone(), settings.discovery_insecure))
            .collect()
    }

    fn new(
        url: &str,
        tls: Option<ClientTlsConfig>,
        insecure: bool,
    ) -> Result<Self, InvalidEndpoint> {
        let wrong = |what: &str| InvalidEndpoint(format!("control plane `{url}`: {what}"));
        let mut endpoint = tonic::transport::Endpoint::from_shared(url.to_owned())
            .map_err(|_| wrong("not a URL; as `https://control-plane:9090`"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        match endpoint.uri().scheme_str() {
            Some("https") => {
                let tls = tls.unwrap_or_else(|| ClientTlsConfig::new().with_enabled_roots());
                endpoint = endpoint
                    .tls_config(tls)
                    .map_err(|error| wrong(&error.to_string()))?;
            }
            Some("http") if insecure || endpoint.uri().host().is_some_and(is_loopback) => {}
            Some("http") => {
                return Err(wrong(
                    "plain text to another machine; use `https` or allow it with --discovery-insecure",
                ));
            }
            _ => return Err(wrong("not http or https")),
        }
        Ok(Self {
            url: url.to_owned(),
            endpoint,
        })
    }

    pub(super) async fn open(&self) -> Result<Channel, String> {
        self.endpoint.connect().await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.unwrap_or_else(|| error.to_string())
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn tls(settings: &NodeSettings) -> Result<Option<ClientTlsConfig>, InvalidEndpoint> {
    let read = |path: &std::path::PathBuf| {
        fs::read(path)
            .map_err(|error| InvalidEndpoint(format!("cannot read `{}`: {error}", path.display())))
    };
    let mut tls = ClientTlsConfig::new();
    if settings.discovery_ca.is_none() && settings.discovery_cert.is_none() {
        return Ok(None);
    }
    match &settings.discovery_ca {
        Some(path) => tls = tls.ca_certificate(Certificate::from_pem(read(path)?)),
        None => tls = tls.with_enabled_roots(),
    }
    if let (Some(certificate), Some(key)) = (&settings.discovery_cert, &settings.discovery_key) {
        tls = tls.identity(TlsIdentity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(Some(tls))
}

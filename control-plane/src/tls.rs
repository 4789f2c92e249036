//! Certificates of the control plane itself, from files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::settings::ControlSettings;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read `{}`", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// It does not hold what it should.
    #[error("`{}` does not hold {what} in PEM", .path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why it cannot be used.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// Certificate and key do not go together.
    #[error("certificate and key of the admin API cannot be used")]
    Pair(#[source] rustls::Error),
}

/// TLS of the admin API; none where there is no certificate.
pub(crate) fn of_admin(settings: &ControlSettings) -> Result<Option<TlsAcceptor>, TlsError> {
    let (Some(certificate), Some(key)) = (&settings.admin_cert, &settings.admin_key) else {
        return Ok(None);
    };
    let pem = |source| TlsError::Pem {
        path: certificate.clone(),
        what: "certificates",
        source,
    };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem)?;
    let pem = |source| TlsError::Pem {
        path: key.clone(),
        what: "a private key",
        source,
    };
    let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(pem)?;
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// TLS towards the nodes, which must show certificates as well; none where there is no certificate.
pub(crate) fn of_discovery(
    settings: &ControlSettings,
) -> Result<Option<ServerTlsConfig>, TlsError> {
    let (Some(certificate), Some(key), Some(authorities)) = (
        &settings.discovery_cert,
        &settings.discovery_key,
        &settings.discovery_ca,
    ) else {
        return Ok(None);
    };
    let identity = Identity::from_pem(read(certificate)?, read(key)?);
    let authorities = Certificate::from_pem(read(authorities)?);
    let tls = ServerTlsConfig::new().identity(identity);
    Ok(Some(tls.client_ca_root(authorities)))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read(path.to_owned(), error))
}

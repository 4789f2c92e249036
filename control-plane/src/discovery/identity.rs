//! Whether a node is who it says: its name must be one that its certificate gives it.

use rustls_pki_types::CertificateDer;
use tonic::Status;
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer as _, X509Error},
};

/// The names in a node's certificate: subject alternative names (RFC 5280 section 4.2.1.6) and the common
/// name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// DNS names and common names.
    plain: Vec<String>,
    /// URIs, such as `spiffe://example.org/node/NAME`.
    uris: Vec<String>,
}

impl Names {
    /// Those of the certificate that a node has shown. It was checked in the handshake.
    ///
    /// # Errors
    /// It shows none, or one that cannot be read.
    pub(super) fn shown(chain: Option<&[CertificateDer<'_>]>) -> Result<Self, Status> {
        let leaf = chain.and_then(<[_]>::first);
        let leaf = leaf.ok_or_else(|| Status::unauthenticated("no certificate is shown"))?;
        let unreadable = |error| {
            let message = format!("the certificate cannot be read: {error}");
            Status::unauthenticated(message)
        };
        Self::of(leaf).map_err(unreadable)
    }

    fn of(leaf: &[u8]) -> Result<Self, X509Error> {
        let (_, certificate) = X509Certificate::from_der(leaf).map_err(|error| match error {
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error,
            x509_parser::nom::Err::Incomplete(_) => X509Error::InvalidCertificate,
        })?;
        let common = certificate.subject().iter_common_name();
        let mut names = Self {
            plain: common
                .filter_map(|it| it.as_str().ok().map(ToOwned::to_owned))
                .collect(),
            uris: Vec::new(),
        };
        let alternative = certificate.subject_alternative_name()?;
        for name in alternative.iter().flat_map(|it| &it.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.plain.push((*name).to_owned()),
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                _ => {}
            }
        }
        Ok(names)
    }

    /// Refuses a node of another name.
    ///
    /// # Errors
    /// None of the names is the node's.
    pub(super) fn allow(&self, node_id: &str) -> Result<(), Status> {
        let plain = self.plain.iter().any(|name| fits(name, node_id));
        let uri = |uri: &String| {
            let last = uri.rsplit('/').next();
            uri == node_id || last == Some(node_id)
        };
        if plain || self.uris.iter().any(uri) {
            return Ok(());
        }
        let names: Vec<_> = self.plain.iter().chain(&self.uris).collect();
        Err(Status::permission_denied(format!(
            "a node may not call itself `{node_id}` with a certificate for {names:?}"
        )))
    }
}

/// Whether a name is the node's. `*.nodes.example` is all names with one label before that.
fn fits(name: &str, node_id: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(suffix) => node_id
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix)),
        None => name.eq_ignore_ascii_case(node_id),
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn names(plain: &[&str], uris: &[&str]) -> Names {
        let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        Names {
            plain: owned(plain),
            uris: owned(uris),
        }
    }

    #[test]
    fn a_node_is_one_of_its_certificates_names_and_nothing_near_it() {
        let names = names(
            &["node-1", "*.nodes.example"],
            &["spiffe://example.org/node/node-2"],
        );
        for name in ["node-1", "NODE-1", "node-2", "a.nodes.example"] {
            assert!(names.allow(name).is_ok(), "{name}");
        }
        for name in [
            "node-11",
            "node",
            "",
            "nodes.example",
            ".nodes.example",
            "a.b.nodes.example",
            "node/node-2",
            "*.nodes.example.org",
        ] {
            assert!(names.allow(name).is_err(), "{name}");
        }
    }
}

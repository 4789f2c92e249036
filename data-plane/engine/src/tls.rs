//! TLS towards targets: what is spoken, whom the gateway believes, and as whom it comes.

use std::{
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

use gatewright_proto::{Version, v1::TlsVersion};

use crate::Certificate;

/// How TLS is spoken to targets.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Whether the target's certificate is checked.
    pub verify: bool,
    /// Name to send and check; none is the target's host.
    pub server_name: Option<Box<str>>,
    /// PEM of the authorities; none is the operating system's.
    pub ca_certificates: Option<Box<str>>,
    /// Shown to targets that ask for one.
    pub client_certificate: Option<Arc<Certificate>>,
    /// Oldest version that is spoken.
    pub min_version: TlsVersion,
}

impl Default for TlsSettings {
    /// As where nothing is written: checked against the operating system's authorities.
    fn default() -> Self {
        Self {
            verify: true,
            server_name: None,
            ca_certificates: None,
            client_certificate: None,
            min_version: TlsVersion::Tls12,
        }
    }
}

/// The same with an identity. Only services whose identities are equal share connections; it is compared with each
/// request, which PEMs should not be.
#[derive(Clone, Debug)]
pub struct Tls {
    settings: TlsSettings,
    identity: Version,
}

impl Tls {
    /// Of these settings.
    pub fn new(settings: TlsSettings) -> Self {
        let identity = settings.identity();
        Self { settings, identity }
    }

    /// Tells it from all that differ in anything that a target or the gateway could see.
    pub const fn identity(&self) -> Version {
        self.identity
    }
}

impl Deref for Tls {
    type Target = TlsSettings;

    fn deref(&self) -> &TlsSettings {
        &self.settings
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.identity.hash(hasher);
    }
}

impl TlsSettings {
    fn identity(&self) -> Version {
        let mut all = Vec::new();
        let mut add = |bytes: &[u8]| {
            all.extend_from_slice(&bytes.len().to_le_bytes());
            all.extend_from_slice(bytes);
        };
        add(&[u8::from(self.verify), self.min_version as u8]);
        for text in [&self.server_name, &self.ca_certificates] {
            add(&[u8::from(text.is_some())]);
            add(text.as_deref().unwrap_or_default().as_bytes());
        }
        // The key is the one that the certificate is for, which compilation has checked: the chain is enough.
        let chain = self.client_certificate.iter();
        for certificate in chain.flat_map(|it| &it.certified.cert) {
            add(certificate);
        }
        Version::of_bytes(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_in_anything_have_other_identities() {
        let base = TlsSettings::default();
        let all = [
            base.clone(),
            TlsSettings {
                verify: false,
                ..base.clone()
            },
            TlsSettings {
                server_name: Some("a".into()),
                ..base.clone()
            },
            TlsSettings {
                ca_certificates: Some("a".into()),
                ..base.clone()
            },
            TlsSettings {
                min_version: TlsVersion::Tls13,
                ..base
            },
        ];
        for (place, one) in all.iter().enumerate() {
            for (other_place, other) in all.iter().enumerate() {
                let equal = Tls::new(one.clone()) == Tls::new(other.clone());
                assert_eq!(equal, place == other_place, "{one:?} {other:?}");
            }
        }
    }
}

//! TLS towards targets.

use std::{collections::BTreeSet, sync::Arc};

use gatewright_proto::{
    Key, Kind, Resource,
    v1::{self, TlsVersion},
};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::{Compiler, Mistake, field};
use crate::{Certificate, Tls, TlsSettings};

impl<'a> Compiler<'a> {
    /// TLS of a service, if its targets speak it. None where something that it needs is missing, which is a mistake of
    /// this service or of what is missing.
    pub(super) fn upstream_tls(
        &self,
        key: &Key,
        tls: Option<&v1::UpstreamTls>,
        secure: bool,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Option<Arc<Tls>>> {
        let Some(tls) = tls else {
            return Some(secure.then(|| Arc::new(Tls::new(TlsSettings::default()))));
        };
        if !secure {
            let reason = "the URL is `http`; write `https`";
            mistakes.push(Mistake::value("tls", reason));
        }
        if !tls.server_name.is_empty() && !field::is_host(&tls.server_name) {
            let reason = format!("`{}` is not a host name", tls.server_name);
            mistakes.push(Mistake::value("tls.server_name", reason));
        }
        let min_version = TlsVersion::try_from(tls.min_version);
        if min_version.is_err() {
            let reason = format!("`{}` is not a version known here", tls.min_version);
            mistakes.push(Mistake::value("tls.min_version", reason));
        }
        let ca_certificates = self.authorities(key, &tls.ca_certificates, mistakes)?;
        let client_certificate = self.client_certificate(&tls.client_certificate, mistakes)?;
        let settings = TlsSettings {
            verify: tls.verify.unwrap_or(true),
            server_name: (!tls.server_name.is_empty()).then(|| tls.server_name.as_str().into()),
            ca_certificates,
            client_certificate,
            min_version: min_version.ok()?,
        };
        Some(Some(Arc::new(Tls::new(settings))))
    }

    /// The PEM of the authorities, if there are any of their own; none where they cannot be had.
    fn authorities(
        &self,
        key: &Key,
        text: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Option<Box<str>>> {
        if text.is_empty() {
            return Some(None);
        }
        let pem = self.text(key, "tls.ca_certificates", text)?;
        if let Err(reason) = check_authorities(&pem) {
            mistakes.push(Mistake::value("tls.ca_certificates", reason));
            return None;
        }
        Some(Some(pem.into()))
    }

    /// The certificate of this name, if one is named; none where it cannot be had.
    fn client_certificate(
        &self,
        name: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Option<Arc<Certificate>>> {
        if name.is_empty() {
            return Some(None);
        }
        let found = self.certificates.iter().find(|it| *it.name == *name);
        if let Some(found) = found {
            return Some(Some(Arc::clone(found)));
        }
        let key = Key::new(Kind::Certificate, name);
        let held = self.set.held.get(&key);
        if held.is_some_and(|it| !it.resource.enabled()) {
            let reason = format!("certificate `{name}` is disabled");
            mistakes.push(Mistake::value("tls.client_certificate", reason));
        }
        None
    }

    /// Names of the certificates that services show to targets.
    pub(super) fn shown_to_targets(&self) -> BTreeSet<&'a str> {
        let services = self.held(Kind::Service);
        let names = services.filter_map(|(_, held)| match &*held.resource {
            Resource::Service(service) => Some(service.tls.as_ref()?.client_certificate.as_str()),
            _ => None,
        });
        names.collect()
    }
}

/// Checks that a text is PEM of certificates, all of which can be trusted as authorities.
pub(crate) fn check_authorities(text: &str) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|_| "has a certificate with broken PEM")?;
        let added = store.add(certificate);
        added.map_err(|error| format!("has a certificate that is not one: {error}"))?;
    }
    if store.is_empty() {
        return Err("has no certificate in PEM".to_owned());
    }
    Ok(())
}

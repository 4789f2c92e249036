//! Certificates towards clients, and those that services show to targets.

use std::{borrow::Cow, sync::Arc};

use ::aws_lc_rs::digest::{SHA256, digest};
use gatewright_proto::{
    Key, Kind, Resource, Version,
    v1::{self},
};
use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::{Compiler, Mistake, field};
use crate::{Certificate, route::Host};

impl Compiler<'_> {
    pub(super) fn certificates(&mut self) -> Vec<Arc<Certificate>> {
        let mut certificates = Vec::new();
        let to_targets = self.shown_to_targets();
        for (key, held) in self.held(Kind::Certificate) {
            let Resource::Certificate(certificate) = &*held.resource else {
                continue;
            };
            let mut mistakes = Vec::new();
            let private_key = self.private_key(key, certificate, &mut mistakes);
            let version = private_key.as_deref().and_then(version);
            let versions = (held.version, version);
            let nameless = to_targets.contains(key.name.as_str());
            let same = |it: &&Arc<Certificate>| {
                *it.name == *key.name
                    && it.versions == versions
                    && (nameless || !it.hosts.is_empty())
            };
            let previous = self
                .previous
                .and_then(|it| it.certificates.iter().find(same));
            let compiled = match (previous, private_key) {
                (Some(previous), _) => Some(Arc::clone(previous)),
                (None, private_key) => {
                    let source = Source {
                        certificate,
                        private_key: private_key.as_deref(),
                        nameless,
                    };
                    read(key, &source, versions, &mut mistakes)
                }
            };
            self.add_all(key, mistakes);
            let in_force = held.resource.enabled() && !self.is_bad(key);
            certificates.extend(compiled.filter(|_| in_force));
        }
        certificates
    }

    /// The PEM of the key, wherever it is.
    fn private_key<'c>(
        &self,
        key: &Key,
        certificate: &'c v1::Certificate,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Cow<'c, str>> {
        let text = certificate.private_key.as_str();
        if text.is_empty() {
            mistakes.push(Mistake::required("private_key"));
            return None;
        }
        self.text(key, "private_key", text)
    }
}

/// That of a private key.
fn version(private_key: &str) -> Option<Version> {
    let hash = digest(&SHA256, private_key.as_bytes());
    hash.as_ref().get(..16).and_then(Version::from_slice)
}

/// What a certificate is read from.
struct Source<'a> {
    certificate: &'a v1::Certificate,
    /// PEM of the key, where it is there.
    private_key: Option<&'a str>,
    /// Whether it may be for no host: it is shown to targets.
    nameless: bool,
}

fn read(
    key: &Key,
    source: &Source<'_>,
    versions: (Version, Option<Version>),
    mistakes: &mut Vec<Mistake>,
) -> Option<Arc<Certificate>> {
    let before = mistakes.len();
    let certificate = source.certificate;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap_or_default();
    if chain.is_empty() {
        mistakes.push(Mistake::value("certificate", "has no certificate in PEM"));
    }
    let private_key = source.private_key;
    let private_key = private_key.map(|pem| PrivateKeyDer::from_pem_slice(pem.as_bytes()));
    if let Some(Err(_)) = private_key {
        mistakes.push(Mistake::value("private_key", "has no private key in PEM"));
    }
    let hosts = hosts(source, chain.first(), mistakes);
    let (Some(Ok(private_key)), true) = (private_key, mistakes.len() == before) else {
        return None;
    };
    let provider = aws_lc_rs::default_provider();
    match CertifiedKey::from_der(chain, private_key, &provider) {
        Ok(certified) => Some(Arc::new(Certificate {
            name: key.name.as_str().into(),
            versions,
            hosts,
            certified: Arc::new(certified),
        })),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let reason = "does not belong to the certificate";
            mistakes.push(Mistake::value("private_key", reason));
            None
        }
        Err(error) => {
            mistakes.push(Mistake::value("certificate", error.to_string()));
            None
        }
    }
}

/// Those given, or the certificate's own.
fn hosts(
    source: &Source<'_>,
    leaf: Option<&CertificateDer<'_>>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Box<str>> {
    let certificate = source.certificate;
    let mut hosts = Vec::new();
    for (place, text) in certificate.hosts.iter().enumerate() {
        match field::host(text) {
            Ok(host) => hosts.push(written(&host)),
            Err(reason) => mistakes.push(Mistake::value(format!("hosts[{place}]"), reason)),
        }
    }
    let Some(leaf) = leaf.filter(|_| certificate.hosts.is_empty()) else {
        return hosts;
    };
    match webpki::EndEntityCert::try_from(leaf) {
        Ok(parsed) => {
            let names = parsed
                .valid_dns_names()
                .filter_map(|name| field::host(name).ok());
            hosts.extend(names.map(|host| written(&host)));
            if hosts.is_empty() && !source.nameless {
                let reason = "the certificate names no host; list the ones it is for";
                mistakes.push(Mistake::new("hosts", "required", reason));
            }
        }
        Err(error) => {
            let reason = format!("is not a certificate: {error}");
            mistakes.push(Mistake::value("certificate", reason));
        }
    }
    hosts
}

fn written(host: &Host) -> Box<str> {
    match host {
        Host::Exact(name) => name.clone(),
        Host::Wildcard(suffix) => format!("*.{suffix}").into(),
    }
}

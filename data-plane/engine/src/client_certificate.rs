//! The certificate that a client has shown: who it says that the client is.
//!
//! That a connection has one proves that the client has its private key, and nothing more: who vouches for it is for
//! the plugin `mtls-auth` to find out.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;

use crate::der::{element, elements};

mod name;
#[cfg(test)]
mod tests;

/// Most certificates of a chain, the client's own included.
pub const MAX_CHAIN: usize = 8;
/// Most names of a certificate that are looked at.
const MAX_NAMES: usize = 64;
/// Object identifier of the extension `subjectAltName`, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The TLS of a connection from a client, as the node has spoken it.
#[derive(Debug, Default)]
pub struct ClientTls {
    /// SNI, in lower case.
    pub server_name: Option<Box<str>>,
    /// Whether the client was asked for a certificate.
    pub asked: bool,
    /// The one that it has shown. Its private key is the client's; nobody has vouched for it yet.
    pub certificate: Option<std::sync::Arc<ClientCertificate>>,
}

/// The certificate that a client has shown.
#[derive(Debug)]
pub struct ClientCertificate {
    /// In DER, and after it those that the client sent with it: at most [`MAX_CHAIN`].
    pub chain: Vec<CertificateDer<'static>>,
    /// SHA-256 of the certificate in DER: what tokens are bound to (`x5t#S256` of RFC 8705 section 3.1).
    pub thumbprint: [u8; 32],
    /// Subject, as RFC 4514 writes it; empty where it has none.
    pub subject: Box<str>,
    /// Issuer, likewise.
    pub issuer: Box<str>,
    /// Serial number, in lower-case hexadecimal digits.
    pub serial: Box<str>,
    /// Alternative names that are names of hosts, in lower case.
    pub dns_names: Vec<Box<str>>,
    /// Alternative names that are URIs.
    pub uris: Vec<Box<str>>,
    /// Alternative names that are addresses of mail, the domain in lower case.
    pub emails: Vec<Box<str>>,
}

impl ClientCertificate {
    /// Reads a chain; none where the first is no certificate, or the chain is too long.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let own = chain.first().filter(|_| chain.len() <= MAX_CHAIN)?;
        webpki::EndEntityCert::try_from(own).ok()?;
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, own).as_ref());
        let mut read = Self {
            chain: chain.iter().map(|it| it.clone().into_owned()).collect(),
            thumbprint: hash,
            subject: "".into(),
            issuer: "".into(),
            serial: "".into(),
            dns_names: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
        };
        read.fields(own)?;
        Some(read)
    }

    /// The thumbprint in lower-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hexadecimal(&self.thumbprint)
    }

    /// `TBSCertificate` of RFC 5280 section 4.1.
    fn fields(&mut self, der: &[u8]) -> Option<()> {
        let (certificate, _) = element(der, 0x30)?;
        let (body, _) = element(certificate, 0x30)?;
        let rest = element(body, 0xa0).map_or(body, |(_, rest)| rest);
        let (serial, rest) = element(rest, 0x02)?;
        let (_, rest) = element(rest, 0x30)?;
        let (issuer, rest) = element(rest, 0x30)?;
        let (_, rest) = element(rest, 0x30)?;
        let (subject, rest) = element(rest, 0x30)?;
        let (_, rest) = element(rest, 0x30)?;
        self.serial = hexadecimal(serial).into();
        self.issuer = name::written(issuer)?.into();
        self.subject = name::written(subject)?.into();
        for part in elements(rest).filter(|part| part.tag == 0xa3) {
            let (extensions, _) = element(part.content, 0x30)?;
            for extension in elements(extensions) {
                let (identifier, rest) = element(extension.content, 0x06)?;
                if identifier == SUBJECT_ALT_NAME {
                    let rest = element(rest, 0x01).map_or(rest, |(_, rest)| rest);
                    let (value, _) = element(rest, 0x04)?;
                    self.names(element(value, 0x30)?.0);
                }
            }
        }
        Some(())
    }

    /// `GeneralNames` of RFC 5280 section 4.2.1.6. Those with anything but visible ASCII are left out: what looks like
    /// another name is none.
    fn names(&mut self, der: &[u8]) {
        for name in elements(der).take(MAX_NAMES) {
            let Some(text) = visible(name.content) else {
                continue;
            };
            match name.tag {
                0x81 => self.emails.extend(mail(text)),
                0x82 => self.dns_names.push(text.to_ascii_lowercase().into()),
                0x86 => self.uris.push(text.into()),
                _ => {}
            }
        }
    }
}

fn visible(bytes: &[u8]) -> Option<&str> {
    let all = bytes.iter().all(|byte| (b'!'..=b'~').contains(byte));
    std::str::from_utf8(bytes)
        .ok()
        .filter(|_| all && !bytes.is_empty())
}

/// An address of mail, its domain in lower case.
pub(crate) fn mail(text: &str) -> Option<Box<str>> {
    let (mailbox, domain) = text.rsplit_once('@')?;
    let domain = domain.to_ascii_lowercase();
    (!mailbox.is_empty() && !domain.is_empty()).then(|| format!("{mailbox}@{domain}").into())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

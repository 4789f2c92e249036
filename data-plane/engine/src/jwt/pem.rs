//! Public keys in PEM (RFC 7468).

use rustls_pki_types::{
    CertificateDer,
    pem::{PemObject as _, SectionKind},
};

/// The public keys of a text, in DER.
///
/// # Errors
/// What is not PEM, or has something else than public keys and certificates.
pub(super) fn public_keys(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
        let (kind, der) = section.map_err(|_| "not PEM".to_owned())?;
        match kind {
            SectionKind::PublicKey => keys.push(der),
            SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey => {
                return Err("a private key, which nobody but the issuer may have".to_owned());
            }
            SectionKind::Certificate => {
                let der = CertificateDer::from(der);
                let certificate = webpki::EndEntityCert::try_from(&der);
                let certificate =
                    certificate.map_err(|error| format!("not a certificate: {error}"))?;
                keys.push(certificate.subject_public_key_info().to_vec());
            }
            _ => return Err("PEM of something else than public keys".to_owned()),
        }
    }
    Ok(keys)
}

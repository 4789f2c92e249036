use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};
use rustls_pki_types::CertificateDer;

use super::{ClientCertificate, MAX_CHAIN};

fn made(params: &CertificateParams) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn named(names: Vec<(DnType, DnValue)>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in names {
        params.distinguished_name.push(kind, value);
    }
    made(&params)
}

#[test]
fn subjects_are_written_as_rfc_4514_says() {
    let utf8 = |text: &str| DnValue::Utf8String(text.to_owned());
    let cases = [
        (vec![], ""),
        (
            vec![
                (DnType::CountryName, utf8("DE")),
                (DnType::OrganizationName, utf8("Acme, Inc.")),
                (DnType::CommonName, utf8("orders")),
            ],
            "CN=orders,O=Acme\\, Inc.,C=DE",
        ),
        (vec![(DnType::CommonName, utf8(" #a "))], "CN=\\ #a\\ "),
        (vec![(DnType::CommonName, utf8("#a+b"))], "CN=\\#a\\+b"),
        (vec![(DnType::CommonName, utf8("a\0b"))], "CN=a\\00b"),
        (vec![(DnType::CommonName, utf8("ü"))], "CN=ü"),
        (
            vec![(
                DnType::CommonName,
                DnValue::BmpString("orders".try_into().unwrap()),
            )],
            "CN=orders",
        ),
        (
            vec![(DnType::CustomDnType(vec![1, 2, 840, 5]), utf8("x"))],
            "1.2.840.5=#0c0178",
        ),
    ];
    for (names, expected) in cases {
        let read = ClientCertificate::read(&[named(names)]).unwrap();
        assert_eq!(&*read.subject, expected);
        assert_eq!(read.issuer, read.subject);
    }
}

#[test]
fn alternative_names_are_told_apart_by_what_they_are() {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![
        SanType::DnsName("Orders.Example.com".try_into().unwrap()),
        SanType::URI("spiffe://example.com/orders".try_into().unwrap()),
        SanType::Rfc822Name("Orders@Example.com".try_into().unwrap()),
        SanType::Rfc822Name("no-mail".try_into().unwrap()),
        SanType::IpAddress([192, 0, 2, 1].into()),
    ];
    let read = ClientCertificate::read(&[made(&params)]).unwrap();
    assert_eq!(read.dns_names, ["orders.example.com".into()]);
    assert_eq!(read.uris, ["spiffe://example.com/orders".into()]);
    assert_eq!(read.emails, ["Orders@example.com".into()]);
    assert_eq!(read.fingerprint().len(), 64);
}

#[test]
fn what_is_no_certificate_and_chains_that_are_too_long_are_not_read() {
    let good = named(Vec::new());
    assert!(ClientCertificate::read(&[]).is_none());
    for length in 0..good.len() {
        let cut = CertificateDer::from(good[..length].to_vec());
        assert!(ClientCertificate::read(&[cut]).is_none(), "{length}");
    }
    let long = vec![good; MAX_CHAIN + 1];
    assert!(ClientCertificate::read(&long).is_none());
    assert!(ClientCertificate::read(&long[1..]).is_some());
}

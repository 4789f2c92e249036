//! Settings that say where somebody is whom a plugin asks, and whom the node takes for them.

use std::{borrow::Cow, sync::Arc};

use gatewright_proto::v1::Protocol;
use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, IntoDeserializer as _},
};

use super::{Build, InvalidSetting, SecretRef, Server};
use crate::{
    Tls, TlsSettings, compile::upstream_tls::check_authorities, reference::Reference, secret::Place,
};

/// How URLs begin, and what is spoken there.
#[derive(Debug)]
pub(super) struct Scheme {
    name: &'static str,
    secure: bool,
    protocol: Protocol,
    port: u16,
}

impl Scheme {
    const fn new(name: &'static str, secure: bool, protocol: Protocol, port: u16) -> Self {
        Self {
            name,
            secure,
            protocol,
            port,
        }
    }
}

/// `http://` and `https://`.
pub(super) const HTTP: [Scheme; 2] = [
    Scheme::new("http", false, Protocol::Http1, 80),
    Scheme::new("https", true, Protocol::Http1, 443),
];
/// `grpc://` and `grpcs://`.
pub(super) const GRPC: [Scheme; 2] = [
    Scheme::new("grpc", false, Protocol::Http2, 80),
    Scheme::new("grpcs", true, Protocol::Http2, 443),
];

/// A setting with authorities that certificates are checked against: certificates in PEM, or a reference to a secret
/// that has them.
#[derive(Clone, Debug)]
pub struct Authorities(Source);

#[derive(Clone, Debug)]
enum Source {
    Pem(Box<str>),
    Secret(SecretRef),
}

impl Authorities {
    /// The resource that it names, if it names one that must be there.
    pub(super) fn reference(&self, field: &str) -> Option<Reference> {
        match &self.0 {
            Source::Pem(_) => None,
            Source::Secret(secret) => secret.reference(field),
        }
    }

    /// The PEM, checked.
    fn pem(&self, field: &str, build: &Build<'_>) -> Result<Box<str>, InvalidSetting> {
        let pem: Box<str> = match &self.0 {
            Source::Pem(pem) => pem.clone(),
            Source::Secret(secret) => build.secret(field, secret).expose().into(),
        };
        match check_authorities(&pem) {
            Ok(()) => Ok(pem),
            Err(reason) => Err(InvalidSetting::new(field, reason)),
        }
    }
}

impl<'de> Deserialize<'de> for Authorities {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.trim_start().starts_with("-----BEGIN ") {
            return Ok(Self(Source::Pem(text.into())));
        }
        if Place::parse(&text).is_err() {
            return Err(de::Error::custom(
                "must be certificates in PEM, or a reference to a secret, as `secret:NAME` or `file:PATH`",
            ));
        }
        let secret = SecretRef::deserialize(text.into_deserializer())?;
        Ok(Self(Source::Secret(secret)))
    }
}

impl JsonSchema for Authorities {
    fn schema_name() -> Cow<'static, str> {
        "Authorities".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Certificates in PEM, or a reference to a secret that has them.",
        })
    }
}

/// TLS towards somebody, checked against these authorities; the operating system's where none are given.
pub(super) fn tls(
    ca: Option<(&str, &Authorities)>,
    build: &Build<'_>,
    mistakes: &mut Vec<InvalidSetting>,
) -> Arc<Tls> {
    let pem = ca.map(|(field, ca)| ca.pem(field, build)).transpose();
    let ca_certificates = pem.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        None
    });
    Arc::new(Tls::new(TlsSettings {
        ca_certificates,
        ..TlsSettings::default()
    }))
}

/// Reads the URL in a setting: who is there, and the URL itself, for its path. `ca` only means something with TLS.
pub(super) fn server(
    (field, url): (&str, &str),
    ca: Option<(&str, &Authorities)>,
    schemes: &[Scheme],
    build: &Build<'_>,
    mistakes: &mut Vec<InvalidSetting>,
) -> Option<(Server, Uri)> {
    let (scheme, uri) = match parsed(url, schemes) {
        Ok(found) => found,
        Err(reason) => {
            mistakes.push(InvalidSetting::new(field, reason));
            return None;
        }
    };
    let authority = uri.authority()?;
    let server = Server {
        tls: scheme.secure.then(|| tls(ca, build, mistakes)),
        protocol: scheme.protocol,
        host: authority.host().trim_matches(['[', ']']).into(),
        port: authority.port_u16().unwrap_or(scheme.port),
    };
    Some((server, uri))
}

fn parsed<'s>(url: &str, schemes: &'s [Scheme]) -> Result<(&'s Scheme, Uri), String> {
    let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
    let scheme = schemes.iter().find(|it| uri.scheme_str() == Some(it.name));
    let scheme = scheme.ok_or_else(|| {
        let forms = schemes.iter().map(|it| format!("`{}://`", it.name));
        format!("must begin with {}", forms.collect::<Vec<_>>().join(" or "))
    })?;
    let authority = uri.authority().ok_or("names no host")?;
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err("must have no user, password or query".to_owned());
    }
    Ok((scheme, uri))
}

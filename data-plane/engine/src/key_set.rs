//! Key sets: the keys that tokens are checked with, and where they are from.

use std::sync::atomic::{AtomicU64, Ordering};

use gatewright_proto::{Version, v1::FetchedEndpoints};

use crate::jwt::Keys;

/// A compiled key set.
#[derive(Debug, Default)]
pub struct KeySet {
    /// Its name.
    pub name: Box<str>,
    /// Content versions of the resource and of the secrets that it takes keys from.
    pub versions: Vec<Version>,
    /// Whose tokens it is for, where it says so.
    pub issuer: Option<Box<str>>,
    /// Whether its keys are fetched, so that a key that is not known may be known soon.
    pub remote: bool,
    /// The keys; none where they have not been fetched yet.
    pub keys: Option<Keys>,
    /// Where logins go, as the issuer says; empty where it has not been asked.
    pub endpoints: FetchedEndpoints,
    /// Tokens that no key was for.
    pub unknown: AtomicU64,
}

impl KeySet {
    /// Counts a token that no key was for.
    pub fn lacks_key(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Tokens that no key was for, since these keys are in force.
    pub fn unknown_keys(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}

/// Where keys are fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote<'a> {
    /// A JWKS.
    Jwks(&'a str),
    /// An issuer, which says where its JWKS is.
    Issuer(&'a str),
}

impl<'a> Remote<'a> {
    /// That of a resource; none where its keys are not fetched.
    pub fn of(set: &'a gatewright_proto::v1::KeySet) -> Option<Self> {
        match (set.url.as_str(), set.issuer.as_str()) {
            ("", "") => None,
            ("", issuer) => Some(Self::Issuer(issuer)),
            (url, _) => Some(Self::Jwks(url)),
        }
    }

    /// As written in the resource.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Jwks(url) => url,
            Self::Issuer(issuer) => issuer,
        }
    }
}

/// Whether keys may be fetched from a URL: with TLS, or from a loopback address, or where that was allowed.
///
/// # Errors
/// Why not.
pub fn check_url(text: &str, allow_http: bool) -> Result<(), String> {
    let uri: http::Uri = text.parse().map_err(|_| format!("`{text}` is not a URL"))?;
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || text.contains(['#', ' ']) {
        return Err(format!("`{text}` is not a URL"));
    }
    if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
        return Err("may not have a user or password".to_owned());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<std::net::IpAddr> = bare.parse().ok();
    let loopback = bare == "localhost" || address.is_some_and(|it| it.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if loopback || allow_http => Ok(()),
        Some("http") => Err(
            "`http` lets anybody on the way replace the keys; write `https`, or say `allow_http`"
                .to_owned(),
        ),
        _ => Err(format!("`{text}` is not a URL of http or https")),
    }
}

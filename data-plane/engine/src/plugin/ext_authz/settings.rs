//! Settings of `ext-authz`.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::{Authorities, Build, InvalidSetting, Server, server};

/// Longest time, in milliseconds.
const MAX_TIMEOUT_MS: u64 = 10_000;
/// Most fields in a list.
const MAX_FIELDS: usize = 64;

/// Settings of `ext-authz`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Settings {
    /// Where the authorizer is: `http://HOST:PORT` or `https://HOST:PORT`, with a path that is put before the path
    /// of each request.
    url: String,
    /// Authorities that the authorizer's certificate is checked against, where `url` is `https`: certificates in PEM, or
    /// a reference to a secret that has them (`secret:NAME`, `file:PATH`, ...). Default: those of the operating system.
    #[serde(default)]
    pub(super) ca: Option<Authorities>,
    /// How long the authorizer may take, in milliseconds. 1 to 10,000.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
    /// How many requests may be waiting for it at a time, on each node. 1 to 10,000.
    #[serde(default = "max_concurrent")]
    pub(super) max_concurrent: u32,
    /// Fields of the request that the authorizer is sent. Up to 64.
    #[serde(default = "allowed_headers")]
    allowed_headers: Vec<String>,
    /// Fields of the authorizer's answer that the upstream is sent where it allows. Those that the client sent are
    /// removed. Up to 64.
    #[serde(default)]
    upstream_headers: Vec<String>,
    /// Fields of the authorizer's answer that the client is sent where it denies. Up to 64.
    #[serde(default = "client_headers")]
    client_headers: Vec<String>,
    /// Whether requests pass while the authorizer is down or slow.
    #[serde(default)]
    pub(super) fail_open: bool,
}

const fn timeout_ms() -> u64 {
    200
}

const fn max_concurrent() -> u32 {
    100
}

fn allowed_headers() -> Vec<String> {
    vec!["authorization".to_owned()]
}

fn client_headers() -> Vec<String> {
    let names = ["content-type", "location", "set-cookie", "www-authenticate"];
    names.map(str::to_owned).to_vec()
}

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) server: Arc<Server>,
    /// Of the authorizer, without a slash at its end.
    pub(super) prefix: Box<str>,
    pub(super) timeout: Duration,
    pub(super) allowed_headers: Box<[HeaderName]>,
    pub(super) upstream_headers: Box<[HeaderName]>,
    pub(super) client_headers: Box<[HeaderName]>,
}

impl Compiled {
    pub(super) fn of(settings: &Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        if !(1..=MAX_TIMEOUT_MS).contains(&settings.timeout_ms) {
            mistakes.push(InvalidSetting::new("timeout_ms", "must be 1 to 10,000"));
        }
        if !(1..=10_000).contains(&settings.max_concurrent) {
            mistakes.push(InvalidSetting::new("max_concurrent", "must be 1 to 10,000"));
        }
        let url = ("url", settings.url.as_str());
        let ca = settings.ca.as_ref().map(|ca| ("ca", ca));
        let found = server::server(url, ca, &server::HTTP, build, &mut mistakes);
        let allowed_headers = names("allowed_headers", &settings.allowed_headers, &mut mistakes);
        let upstream_headers = names(
            "upstream_headers",
            &settings.upstream_headers,
            &mut mistakes,
        );
        let client_headers = names("client_headers", &settings.client_headers, &mut mistakes);
        match found {
            Some((server, uri)) if mistakes.is_empty() => Ok(Self {
                server: Arc::new(server),
                prefix: uri.path().trim_end_matches('/').into(),
                timeout: Duration::from_millis(settings.timeout_ms),
                allowed_headers,
                upstream_headers,
                client_headers,
            }),
            _ => Err(mistakes),
        }
    }
}

fn names(field: &str, given: &[String], mistakes: &mut Vec<InvalidSetting>) -> Box<[HeaderName]> {
    if given.len() > MAX_FIELDS {
        mistakes.push(InvalidSetting::new(field, "has more than 64 entries"));
    }
    let mut names = Vec::with_capacity(given.len());
    for (index, name) in given.iter().enumerate() {
        match name.parse::<HeaderName>() {
            Ok(name) if !frames(&name) => names.push(name),
            _ => mistakes.push(InvalidSetting::new(
                format!("{field}[{index}]"),
                format!("`{name}` is not a field that can be passed on"),
            )),
        }
    }
    names.into()
}

/// Fields that say how a message is framed or where it goes.
fn frames(name: &HeaderName) -> bool {
    let own = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::EXPECT,
    ];
    own.contains(name)
}

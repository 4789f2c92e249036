//! Settings of `opa`.

use http::{HeaderName, HeaderValue, Uri, header, uri::PathAndQuery};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{
        Authorities, Build, Configure as _, InvalidSetting,
        authorizer::{Authorizer, BodySettings, Terms, fields},
        server,
    },
    Opa,
};
use crate::reference::Reference;

/// Settings of `opa`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Settings {
    /// The decision, as `http://HOST:PORT/v1/data/PACKAGE/RULE`; or `https`.
    url: String,
    /// Authorities that the agent's certificate is checked against, where `url` is `https`: certificates in PEM, or a
    /// reference to a secret that has them (`secret:NAME`, `file:PATH`, ...). Default: those of the operating system.
    #[serde(default)]
    ca: Option<Authorities>,
    /// How long the agent may take, in milliseconds. 1 to 10,000.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
    /// How many requests may be waiting for it at a time, on each node. 1 to 10,000.
    #[serde(default = "max_concurrent")]
    max_concurrent: u32,
    /// Fields of the request that the policy sees. Up to 64. Default: all but `Authorization`, `Proxy-Authorization` and
    /// `Cookie`, since agents log what they are asked.
    #[serde(default)]
    allowed_headers: Option<Vec<String>>,
    /// Fields that only the policy gives the upstream; those that the client sent are removed. Up to 64.
    #[serde(default)]
    upstream_headers: Vec<String>,
    /// What the policy sees of the body; none where it is left out.
    #[serde(default)]
    body: Option<BodySettings>,
    /// What `WWW-Authenticate` says where the policy denies with 401.
    #[serde(default = "challenge")]
    challenge: String,
    /// Whether requests pass while the agent is down or slow.
    #[serde(default)]
    fail_open: bool,
}

const fn timeout_ms() -> u64 {
    200
}

const fn max_concurrent() -> u32 {
    100
}

fn challenge() -> String {
    "Bearer".to_owned()
}

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) authorizer: Authorizer,
    pub(super) host: HeaderValue,
    pub(super) target: PathAndQuery,
    pub(super) upstream_headers: Box<[HeaderName]>,
    /// None: all but credentials.
    allowed_headers: Option<Box<[HeaderName]>>,
}

impl Settings {
    pub(super) fn references(&self) -> Vec<Reference> {
        let ca = self.ca.as_ref();
        ca.and_then(|ca| ca.reference("ca")).into_iter().collect()
    }
}

impl Compiled {
    pub(super) fn of(settings: &Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let url = ("url", settings.url.as_str());
        let ca = settings.ca.as_ref().map(|ca| ("ca", ca));
        let found = server::server(url, ca, &server::HTTP, build, &mut mistakes);
        let (server, uri) = found.unzip();
        let terms = Terms {
            timeout_ms: settings.timeout_ms,
            max_concurrent: settings.max_concurrent,
            fail_open: settings.fail_open,
            challenge: &settings.challenge,
            body: settings.body.as_ref(),
        };
        let authorizer = Authorizer::new(Opa::NAME, server, &terms, build, &mut mistakes);
        let shown = settings.allowed_headers.as_ref();
        let allowed_headers = shown.map(|list| fields("allowed_headers", list, &mut mistakes));
        let upstream_headers = fields(
            "upstream_headers",
            &settings.upstream_headers,
            &mut mistakes,
        );
        let place = uri.as_ref().and_then(Self::place);
        match (authorizer, place) {
            (Some(authorizer), Some((host, target))) if mistakes.is_empty() => Ok(Self {
                authorizer,
                host,
                target,
                upstream_headers,
                allowed_headers,
            }),
            _ => Err(mistakes),
        }
    }

    fn place(uri: &Uri) -> Option<(HeaderValue, PathAndQuery)> {
        let host = HeaderValue::from_str(uri.authority()?.as_str()).ok()?;
        Some((host, uri.path_and_query()?.clone()))
    }

    /// Whether the policy sees this field.
    pub(super) fn shows(&self, name: &HeaderName) -> bool {
        match &self.allowed_headers {
            Some(list) => list.contains(name),
            None => ![
                header::AUTHORIZATION,
                header::PROXY_AUTHORIZATION,
                header::COOKIE,
            ]
            .contains(name),
        }
    }
}

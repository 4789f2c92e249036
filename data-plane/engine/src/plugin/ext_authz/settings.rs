//! Settings of `ext-authz`.

use std::collections::BTreeMap;

use gatewright_proto::{Kind, v1::Protocol};
use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{
        Authorities, Build, Configure as _, InvalidSetting,
        authorizer::{Authorizer, BodySettings, Terms, fields},
        server,
    },
    ExtAuthz,
    grpc::GrpcForm,
    http_form::HttpForm,
};
use crate::reference::Reference;

/// Most entries of a context.
const MAX_CONTEXT: usize = 64;

/// Settings of `ext-authz`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Settings {
    /// Where the authorizer is: `grpc://HOST:PORT` or `grpcs://HOST:PORT`; or `http://HOST:PORT` or
    /// `https://HOST:PORT`, with a path that is put before the path of each request.
    url: String,
    /// Authorities that the authorizer's certificate is checked against, where `url` is `https` or `grpcs`:
    /// certificates in PEM, or a reference to a secret that has them (`secret:NAME`, `file:PATH`, ...). Default: those
    /// of the operating system.
    #[serde(default)]
    ca: Option<Authorities>,
    /// How long the authorizer may take, in milliseconds. 1 to 10,000.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
    /// How many requests may be waiting for it at a time, on each node. 1 to 10,000.
    #[serde(default = "max_concurrent")]
    max_concurrent: u32,
    /// Fields of the request that the authorizer is sent. Up to 64. Default: `[authorization]` over HTTP, all over gRPC.
    #[serde(default)]
    allowed_headers: Option<Vec<String>>,
    /// Fields that only the authorizer gives the upstream; those that the client sent are removed. Over HTTP, the fields
    /// of its answer that the upstream gets where it allows. Up to 64.
    #[serde(default)]
    upstream_headers: Vec<String>,
    /// Over HTTP, fields of the authorizer's answer that the client is sent where it denies. Up to 64.
    #[serde(default = "client_headers")]
    client_headers: Vec<String>,
    /// What is sent along of the body; none where it is left out.
    #[serde(default)]
    body: Option<BodySettings>,
    /// Over gRPC, what the authorizer is told besides the request (`context_extensions`). Up to 64.
    #[serde(default)]
    context: BTreeMap<String, String>,
    /// Over gRPC, what it is told besides for a route, by the route's name; of what both have, this counts.
    #[serde(default)]
    route_context: BTreeMap<String, BTreeMap<String, String>>,
    /// Over gRPC, whether the authorizer is told who calls, with all claims.
    #[serde(default)]
    send_identity: bool,
    /// What `WWW-Authenticate` says where the authorizer answers 401 without one.
    #[serde(default = "challenge")]
    challenge: String,
    /// Whether requests pass while the authorizer is down or slow.
    #[serde(default)]
    fail_open: bool,
}

const fn timeout_ms() -> u64 {
    200
}

const fn max_concurrent() -> u32 {
    100
}

fn client_headers() -> Vec<String> {
    let names = ["content-type", "location", "set-cookie", "www-authenticate"];
    names.map(str::to_owned).to_vec()
}

fn challenge() -> String {
    "Bearer".to_owned()
}

/// Settings that have been checked.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) authorizer: Authorizer,
    pub(super) upstream_headers: Box<[HeaderName]>,
    pub(super) way: Way,
}

/// How the authorizer is asked.
#[derive(Debug)]
pub(super) enum Way {
    Http(HttpForm),
    Grpc(GrpcForm),
}

impl Settings {
    pub(super) fn references(&self) -> Vec<Reference> {
        let ca = self.ca.as_ref().and_then(|ca| ca.reference("ca"));
        let route = |name| Reference::new(format!("route_context.{name}"), Kind::Route, name);
        ca.into_iter()
            .chain(self.route_context.keys().map(route))
            .collect()
    }

    fn check_context(&self, is_grpc: bool, mistakes: &mut Vec<InvalidSetting>) {
        let routes = self.route_context.iter();
        let routes = routes.map(|(name, it)| (format!("route_context.{name}"), it));
        for (field, entries) in [("context".to_owned(), &self.context)]
            .into_iter()
            .chain(routes)
        {
            if entries.len() > MAX_CONTEXT {
                mistakes.push(InvalidSetting::new(field, "has more than 64 entries"));
            }
        }
        let only_grpc = [
            ("context", self.context.is_empty()),
            ("route_context", self.route_context.is_empty()),
            ("send_identity", !self.send_identity),
        ];
        for (field, _) in only_grpc.iter().filter(|(_, unset)| !is_grpc && !unset) {
            let reason = "only means something over gRPC; write `grpc://` or `grpcs://`";
            mistakes.push(InvalidSetting::new(*field, reason));
        }
    }
}

impl Compiled {
    pub(super) fn of(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        let [plain, secure] = server::HTTP;
        let [grpc, grpcs] = server::GRPC;
        let url = ("url", settings.url.as_str());
        let ca = settings.ca.as_ref().map(|ca| ("ca", ca));
        let schemes = [plain, secure, grpc, grpcs];
        let found = server::server(url, ca, &schemes, build, &mut mistakes);
        let (server, uri) = found.unzip();
        let is_grpc = server
            .as_ref()
            .is_some_and(|it| it.protocol == Protocol::Http2);
        let terms = Terms {
            timeout_ms: settings.timeout_ms,
            max_concurrent: settings.max_concurrent,
            fail_open: settings.fail_open,
            challenge: &settings.challenge,
            body: settings.body.as_ref(),
        };
        if server.is_some() {
            settings.check_context(is_grpc, &mut mistakes);
        }
        let authorizer = Authorizer::new(ExtAuthz::NAME, server, &terms, build, &mut mistakes);
        let path = uri.map(|uri| uri.path().trim_end_matches('/').to_owned());
        if is_grpc && path.as_deref() != Some("") {
            let reason = "must have no path: the call has a name of its own";
            mistakes.push(InvalidSetting::new("url", reason));
        }
        let shown = settings.allowed_headers.as_ref();
        let shown = shown.map(|list| fields("allowed_headers", list, &mut mistakes));
        let upstream_headers = fields(
            "upstream_headers",
            &settings.upstream_headers,
            &mut mistakes,
        );
        let client_headers = fields("client_headers", &settings.client_headers, &mut mistakes);
        let (Some(authorizer), Some(prefix), true) = (authorizer, path, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let way = match is_grpc {
            true => Way::Grpc(GrpcForm {
                allowed_headers: shown,
                context: settings.context,
                route_context: settings.route_context,
                send_identity: settings.send_identity,
            }),
            false => Way::Http(HttpForm {
                prefix: prefix.into(),
                allowed_headers: shown.unwrap_or_else(|| [http::header::AUTHORIZATION].into()),
                upstream_headers: upstream_headers.clone(),
                client_headers,
            }),
        };
        Ok(Self {
            authorizer,
            upstream_headers,
            way,
        })
    }

    /// Whether the authorizer is sent this field.
    pub(super) fn shows(&self, name: &HeaderName) -> bool {
        match &self.way {
            Way::Http(form) => form.allowed_headers.contains(name),
            Way::Grpc(form) => {
                let list = form.allowed_headers.as_ref();
                list.is_none_or(|list| list.contains(name))
            }
        }
    }
}

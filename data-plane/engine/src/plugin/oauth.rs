//! What plugins have in common that ask an authorization server (RFC 6749): whom, as which client, and how its answers
//! are read.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Authorities, Build, CallError, Caller, InvalidSetting, Question, SecretRef, Server, server,
};
use crate::{jwt::parse_strict_json, reference::Reference};

pub(super) mod flights;
#[cfg(test)]
mod tests;

/// Largest answer.
const MAX_BYTES: usize = 64 * 1024;
/// Longest time for an answer, in milliseconds.
const MAX_TIMEOUT_MS: u64 = 10_000;
/// Most further parameters.
const MAX_PARAMETERS: usize = 32;
/// Parameters that say who asks for what, and are not for settings to repeat.
const RESERVED: [&str; 8] = [
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "scope",
    "token",
    "token_type_hint",
];
/// What stays as it is in a form (the URL standard, `application/x-www-form-urlencoded`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*');

/// Who asks an authorization server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientSettings {
    /// Id of the client that the gateway is registered as.
    id: String,
    /// Secret of that client.
    secret: SecretRef,
    /// How the client proves itself: `basic` sends id and secret in `Authorization` (`client_secret_basic`), `post` in the
    /// form (`client_secret_post`).
    #[serde(default)]
    auth: ClientAuth,
}

/// How a client proves itself (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ClientAuth {
    /// In `Authorization`.
    #[default]
    Basic,
    /// In the form.
    Post,
}

impl ClientSettings {
    /// The resource that its secret names, if it does.
    pub(super) fn reference(&self) -> Option<Reference> {
        self.secret.reference("client.secret")
    }
}

/// What settings say of an endpoint.
pub(super) struct Asked<'s> {
    /// Name of the setting that has the URL.
    pub(super) field: &'static str,
    pub(super) url: &'s str,
    pub(super) ca: Option<&'s Authorities>,
    pub(super) allow_http: bool,
    pub(super) client: &'s ClientSettings,
    pub(super) timeout_ms: u64,
    pub(super) parameters: &'s BTreeMap<String, String>,
}

/// An endpoint of an authorization server, and who asks there.
pub(super) struct Endpoint {
    plugin: Arc<str>,
    caller: Option<Arc<dyn Caller>>,
    server: Arc<Server>,
    path: Uri,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    /// What every form ends with.
    form: String,
    timeout: Duration,
}

/// Why there is no answer that says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Too many are being asked already.
    Busy,
    /// Not in time.
    Timeout,
    /// It cannot be reached, or what comes is not HTTP or too much.
    Unreachable,
    /// It does not take the gateway for that client, or does not let it have what it asks for: 400 to 499.
    Refused,
    /// Another status.
    Status,
    /// What it says is not what such an answer must say.
    Nonsense,
}

impl Failure {
    /// Its name in log and metrics: stable, snake_case.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "endpoint_busy",
            Self::Timeout => "endpoint_timeout",
            Self::Unreachable => "endpoint_unreachable",
            Self::Refused => "endpoint_refused",
            Self::Status => "endpoint_status",
            Self::Nonsense => "endpoint_nonsense",
        }
    }
}

impl Endpoint {
    /// From settings; none where they have mistakes.
    pub(super) fn compile(
        asked: &Asked<'_>,
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Option<Self> {
        let client = asked.client;
        if !(1..=MAX_TIMEOUT_MS).contains(&asked.timeout_ms) {
            mistakes.push(InvalidSetting::new("timeout_ms", "must be 1 to 10,000"));
        }
        if client.id.is_empty() {
            mistakes.push(InvalidSetting::new("client.id", "is required"));
        }
        check_parameters(asked.parameters, mistakes);
        let secret = build.secret("client.secret", &client.secret);
        let ca = asked.ca.map(|ca| ("ca", ca));
        let url = (asked.field, asked.url);
        let (server, uri) = server::server(url, ca, &server::HTTP, build, mistakes)?;
        if server.tls.is_none() && !asked.allow_http && !is_loopback(&server.host) {
            let reason = "`http` shows secrets and tokens to anybody on the way; write `https`, or say `allow_http`";
            mistakes.push(InvalidSetting::new(asked.field, reason));
        }
        let mut form = String::new();
        for (name, value) in asked.parameters {
            append(&mut form, name, value);
        }
        let authorization = match client.auth {
            ClientAuth::Basic => Some(basic(&client.id, secret.expose())),
            ClientAuth::Post => {
                append(&mut form, "client_id", &client.id);
                append(&mut form, "client_secret", secret.expose());
                None
            }
        };
        let path = match uri.path() {
            "" => "/",
            path => path,
        };
        Some(Self {
            plugin: Arc::clone(build.name),
            caller: build.clients.caller.clone(),
            host: HeaderValue::from_str(uri.authority()?.as_str()).ok()?,
            path: path.parse().ok()?,
            server: Arc::new(server),
            authorization,
            form,
            timeout: Duration::from_millis(asked.timeout_ms),
        })
    }

    /// What tells it apart from others: who asks whom, as which client, with which secret.
    pub(super) fn parts(&self) -> [&[u8]; 4] {
        let authorization = self.authorization.as_ref();
        [
            self.host.as_bytes(),
            self.path.path().as_bytes(),
            authorization.map_or(b"", |it| it.as_bytes()),
            self.form.as_bytes(),
        ]
    }

    /// Asks with these parameters; nothing begins before the first poll.
    pub(super) fn ask(
        &self,
        parameters: &[(&str, &str)],
    ) -> impl Future<Output = Result<Map<String, Value>, Failure>> + Send + use<> {
        let mut form = String::new();
        for (name, value) in parameters {
            append(&mut form, name, value);
        }
        if !self.form.is_empty() {
            form.push('&');
            form.push_str(&self.form);
        }
        let answering = self.caller.as_ref().map(|caller| {
            caller.call(Question {
                plugin: Arc::clone(&self.plugin),
                server: Arc::clone(&self.server),
                request: self.request(form),
                timeout: self.timeout,
                max_bytes: MAX_BYTES,
            })
        });
        async move {
            let answer = answering.ok_or(Failure::Unreachable)?.await;
            read(&answer.map_err(|error| match error {
                CallError::Busy => Failure::Busy,
                CallError::Timeout => Failure::Timeout,
                CallError::Failed => Failure::Unreachable,
            })?)
        }
    }

    fn request(&self, form: String) -> Request<Bytes> {
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }
}

impl std::fmt::Debug for Endpoint {
    /// Without what proves who asks.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Endpoint")
            .field("server", &self.server)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The object that an answer has.
fn read(answer: &Response<Bytes>) -> Result<Map<String, Value>, Failure> {
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_client_error() => return Err(Failure::Refused),
        _ => return Err(Failure::Status),
    }
    let is_json = |value: &HeaderValue| {
        let media = value.as_bytes().split(|byte| *byte == b';').next();
        media.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    };
    if !answer.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return Err(Failure::Nonsense);
    }
    match parse_strict_json(answer.body()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(Failure::Nonsense),
    }
}

fn check_parameters(parameters: &BTreeMap<String, String>, mistakes: &mut Vec<InvalidSetting>) {
    if parameters.len() > MAX_PARAMETERS {
        let reason = format!("has more than {MAX_PARAMETERS} entries");
        mistakes.push(InvalidSetting::new("parameters", reason));
    }
    for name in parameters.keys() {
        if name.is_empty() || RESERVED.contains(&name.as_str()) {
            let field = format!("parameters.{name}");
            let reason = "is no parameter that can be given here";
            mistakes.push(InvalidSetting::new(field, reason));
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Option<std::net::IpAddr> = host.parse().ok();
    host == "localhost" || address.is_some_and(|it| it.is_loopback())
}

/// Id and secret, each encoded as in a form before they are joined (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &str) -> HeaderValue {
    let [id, secret] = [id, secret].map(|text| utf8_percent_encode(text, ENCODED));
    let encoded = BASE64_STANDARD.encode(format!("{id}:{secret}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .expect("Base64 is made of visible ASCII characters");
    value.set_sensitive(true);
    value
}

fn append(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    form.extend(utf8_percent_encode(name, ENCODED));
    form.push('=');
    form.extend(utf8_percent_encode(value, ENCODED));
}

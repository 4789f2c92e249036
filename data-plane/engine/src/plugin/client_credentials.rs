//! `client-credentials`: shows upstreams a token of the gateway's own (RFC 6749 section 4.4).

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, header::AUTHORIZATION};
use schemars::JsonSchema;
use serde::Deserialize;

use self::{
    fetching::{Fetching, Lifetimes},
    tokens::{Token, Tokens},
};
use super::{
    Authorities, Build, Configure, Flow, InvalidSetting, Plugin,
    oauth::{Asked, ClientSettings, Endpoint, Failure},
};
use crate::{Code, Rejection, RequestContext, reference::Reference};

mod fetching;
#[cfg(test)]
mod tests;
mod tokens;

/// See [`Configure::DOCS`].
#[derive(Debug)]
pub(super) struct ClientCredentials {
    fetching: Arc<Fetching>,
    retry_unauthorized: bool,
}

/// Settings of `client-credentials`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// URL of the token endpoint: `https`; `http` only on a loopback address, or with `allow_http`.
    token_endpoint: String,
    /// Authorities that its certificate is checked against: certificates in PEM, or a reference to a secret that has them.
    /// Default: those of the operating system.
    #[serde(default)]
    ca: Option<Authorities>,
    /// Whether the endpoint may be `http`, which shows secret and tokens to anybody on the way.
    #[serde(default)]
    allow_http: bool,
    /// Who asks.
    client: ClientSettings,
    /// Scopes that are asked for. Default: those that the server gives.
    #[serde(default)]
    scopes: Vec<String>,
    /// Audience that is asked for (`audience`), where the server knows that.
    #[serde(default)]
    audience: Option<String>,
    /// Further parameters, such as `resource` (RFC 8707). Up to 32.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    /// How long the endpoint may take, in milliseconds. 1 to 10,000.
    #[serde(default = "timeout_ms")]
    timeout_ms: u64,
    /// How long before it expires a token is replaced, while it goes on to be used, in seconds; at most half of its
    /// lifetime. 0 to 3,600.
    #[serde(default = "refresh_ahead_seconds")]
    refresh_ahead_seconds: u64,
    /// For how long a token is used whose lifetime the server does not tell, in seconds. 10 to 86,400.
    #[serde(default = "default_lifetime_seconds")]
    default_lifetime_seconds: u64,
    /// Whether a request that the upstream answers with 401 is sent once more with a new token.
    #[serde(default = "yes")]
    retry_unauthorized: bool,
}

const fn timeout_ms() -> u64 {
    2000
}

const fn refresh_ahead_seconds() -> u64 {
    30
}

const fn default_lifetime_seconds() -> u64 {
    300
}

const fn yes() -> bool {
    true
}

impl Configure for ClientCredentials {
    const NAME: &'static str = "client-credentials";
    const SUMMARY: &'static str = "Shows upstreams an access token of the gateway's own.";
    const DOCS: &'static str = "\
Fetches a token as the client of the settings (OAuth 2.0, client credentials: RFC 6749 section 4.4) and sets it as
`Authorization: Bearer` of each request to the upstream. What the client sent there is removed; plugins that find out who
calls have seen it before.

A token is fetched when the first request needs one, once for all that wait, and used until it expires. The next one
is fetched ahead of that, while requests go on with the present one. Instances with the same endpoint, client
and parameters share it, and it outlives changes of the configuration.

Where an upstream answers 401, the token is dropped and the request sent once more with a new one, if it has no body or
one that can be sent again (at most `max_body_bytes` of the service's retries). A token that replaces one that was refused
is not dropped for half a minute, so that an upstream which refuses them all causes no flood of questions.

Refused with 503, code `token_unavailable`, and never forwarded without: there is no token, since the endpoint cannot be
reached, takes longer than `timeout_ms`, refuses the client, or answers with anything but 200 and JSON with
`access_token` and the `token_type` `Bearer` (at most 64 KiB). It is asked again after a second. Why is in the access
line (`reason`): `endpoint_unreachable`, `endpoint_timeout`, `endpoint_refused`, `endpoint_status`, `endpoint_nonsense` or
`endpoint_busy`. Questions are counted in `gatewright_plugin_calls_total`.";
    const EXAMPLE: &'static str = "\
token_endpoint: https://login.example.com/oauth2/token
client: {id: gateway, secret: env:CLIENT_SECRET}
scopes: [orders/read]
audience: orders";
    const ORDER: i32 = 4800;
    const REFUSES: bool = true;
    const PER_CONSUMER: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        let mut mistakes = Vec::new();
        if settings.refresh_ahead_seconds > 3600 {
            let reason = "is more than 3,600";
            mistakes.push(InvalidSetting::new("refresh_ahead_seconds", reason));
        }
        if !(10..=86_400).contains(&settings.default_lifetime_seconds) {
            let reason = "is not within 10 to 86,400";
            mistakes.push(InvalidSetting::new("default_lifetime_seconds", reason));
        }
        let parameters = settings.all_parameters(&mut mistakes);
        let asked = Asked {
            field: "token_endpoint",
            url: &settings.token_endpoint,
            ca: settings.ca.as_ref(),
            allow_http: settings.allow_http,
            client: &settings.client,
            timeout_ms: settings.timeout_ms,
            parameters: &settings.parameters,
        };
        let endpoint = Endpoint::compile(&asked, build, &mut mistakes);
        let Some(endpoint) = endpoint.filter(|_| mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let name = state_name(&endpoint, &parameters);
        let tokens = build.states.keep(Self::NAME, &name, Tokens::default);
        let lifetimes = Lifetimes {
            refresh_ahead: settings.refresh_ahead_seconds,
            otherwise: settings.default_lifetime_seconds,
        };
        Ok(Self {
            fetching: Arc::new(Fetching::new(endpoint, parameters, lifetimes, tokens)),
            retry_unauthorized: settings.retry_unauthorized,
        })
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        let ca = settings.ca.as_ref().and_then(|ca| ca.reference("ca"));
        settings.client.reference().into_iter().chain(ca).collect()
    }
}

impl Settings {
    /// Those of this grant.
    fn all_parameters(&self, mistakes: &mut Vec<InvalidSetting>) -> Box<[(&'static str, String)]> {
        let mut parameters = vec![("grant_type", "client_credentials".to_owned())];
        let broken = |scope: &String| scope.is_empty() || scope.contains(' ');
        if self.scopes.iter().any(broken) {
            let reason = "a scope has no spaces";
            mistakes.push(InvalidSetting::new("scopes", reason));
        }
        if !self.scopes.is_empty() {
            parameters.push(("scope", self.scopes.join(" ")));
        }
        if let Some(audience) = &self.audience {
            parameters.push(("audience", audience.clone()));
        }
        parameters.into()
    }
}

/// The same for all that ask for the same.
fn state_name(endpoint: &Endpoint, parameters: &[(&'static str, String)]) -> Arc<str> {
    let mut hash = Context::new(&SHA256);
    let of_grant = parameters
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    for part in endpoint.parts().into_iter().chain(of_grant) {
        hash.update(&part.len().to_le_bytes());
        hash.update(part);
    }
    let hash = hash.finish();
    let name: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    name.into()
}

impl Plugin for ClientCredentials {
    fn on_request<'a>(&'a self, request: &'a mut RequestContext) -> Flow<'a> {
        if self.retry_unauthorized {
            request.renewal = Some(Arc::clone(&self.fetching) as _);
        }
        if let Some(token) = self.fetching.present() {
            show(&token, &mut request.headers);
            return Flow::Continue;
        }
        // What the client sent is not for the upstream, not even in shadow mode.
        request.headers.remove(AUTHORIZATION);
        Flow::Wait(Box::pin(async move {
            match self.fetching.fetch().await {
                Ok(token) => {
                    show(&token, &mut request.headers);
                    Flow::Continue
                }
                Err(failure) => Flow::Reject(unavailable(failure)),
            }
        }))
    }
}

fn show(token: &Token, headers: &mut HeaderMap) {
    headers.insert(AUTHORIZATION, token.field.clone());
}

fn unavailable(failure: Failure) -> Rejection {
    let detail = "there is no token for the upstream";
    let mut rejection = Rejection::new(Code::TokenUnavailable, detail);
    rejection.reason = Some(failure.as_str());
    rejection
}

//! What is asked of the provider: where its endpoints are, tokens for a code, and whether an ID token is one of its.

use std::{borrow::Cow, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gatewright_proto::v1::Protocol;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde_json::{Map, Value};

use super::{form, settings::ClientAuthentication};
use crate::{
    Tls,
    jwt::{self, Policy, parse_strict_json},
    key_set::{KeySet, check_url},
    plugin::{CallError, Caller, Question, Server},
    secret::SecretText,
};

mod id_token;

pub(super) use id_token::{Expected, claims};

/// Longest answer of the provider.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Longest time that a token is believed to be good for, in seconds.
const MAX_LIFETIME_SECONDS: u64 = 10 * 365 * 86_400;
/// Longest code of an error that is shown.
const MAX_CODE_BYTES: usize = 64;

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    /// Name of the instance.
    pub(super) plugin: Arc<str>,
    /// What is spoken where the provider's URLs are `https`.
    pub(super) tls: Arc<Tls>,
    pub(super) issuer: Option<Box<str>>,
    pub(super) client_id: Box<str>,
    pub(super) secret: Option<SecretText>,
    pub(super) authentication: ClientAuthentication,
    /// Those of the settings.
    pub(super) endpoints: Endpoints,
    pub(super) allow_http: bool,
    pub(super) require_iss: Option<bool>,
    /// What is asked of ID tokens, but for the issuer.
    pub(super) policy: Policy,
    pub(super) max_age: Option<u64>,
    pub(super) timeout: Duration,
    /// None where settings are only checked.
    pub(super) caller: Option<Arc<dyn Caller>>,
}

/// Where the provider's endpoints are, where the settings say so.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    pub(super) authorization: Option<Box<str>>,
    pub(super) token: Option<Box<str>>,
    pub(super) end_session: Option<Box<str>>,
    pub(super) revocation: Option<Box<str>>,
}

/// What the provider gives.
pub(super) struct Tokens {
    pub(super) id_token: Option<String>,
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    /// In how many seconds the access token expires.
    pub(super) expires_in: Option<u64>,
    pub(super) scope: Option<String>,
}

/// Why the provider gives nothing that can be used.
#[derive(Debug)]
pub(super) enum Failure {
    /// It will not, or what it gives is not as asked; why, for log and browser.
    Refused(&'static str, Cow<'static, str>),
    /// Nobody can tell; why, for the log.
    Unavailable(&'static str),
}

impl Provider {
    /// Where browsers log in.
    pub(super) fn authorization<'p>(&'p self, set: &'p KeySet) -> Option<&'p str> {
        self.endpoint(&self.endpoints.authorization, &set.endpoints.authorization)
    }

    /// Where browsers log out.
    pub(super) fn end_session<'p>(&'p self, set: &'p KeySet) -> Option<&'p str> {
        self.endpoint(&self.endpoints.end_session, &set.endpoints.end_session)
    }

    /// The issuer that answers and tokens must be of.
    pub(super) fn issuer<'p>(&'p self, set: &'p KeySet) -> Option<&'p str> {
        self.issuer.as_deref().or(set.issuer.as_deref())
    }

    /// Whether answers to browsers must name the issuer.
    pub(super) fn must_name_issuer(&self, set: &KeySet) -> bool {
        self.require_iss.unwrap_or(set.endpoints.names_issuer)
    }

    /// Nodes may be told of endpoints by a control plane of another version: they are checked once more.
    fn endpoint<'p>(&self, given: &'p Option<Box<str>>, discovered: &'p str) -> Option<&'p str> {
        let url = given.as_deref().unwrap_or(discovered);
        check_url(url, self.allow_http).is_ok().then_some(url)
    }

    /// Asks the token endpoint (RFC 6749 section 3.2).
    pub(super) async fn tokens(
        &self,
        set: &KeySet,
        parameters: &[(&str, &str)],
    ) -> Result<Tokens, Failure> {
        let url = self.endpoint(&self.endpoints.token, &set.endpoints.token);
        let url = url.ok_or(Failure::Unavailable("no_endpoint"))?;
        let answer = self.post(url, parameters).await?;
        match answer.status() {
            StatusCode::OK => tokens(answer.body()),
            status if status.is_client_error() => Err(refusal(answer.body())),
            _ => Err(Failure::Unavailable("provider_failed")),
        }
    }

    /// Has a refresh token revoked (RFC 7009), where the provider has an endpoint for that.
    pub(super) async fn revoke(&self, set: &KeySet, token: &str) {
        let url = self.endpoint(&self.endpoints.revocation, &set.endpoints.revocation);
        if let Some(url) = url {
            let parameters = [("token", token), ("token_type_hint", "refresh_token")];
            // The browser is logged out here in any case; what the provider says changes nothing.
            let _ = self.post(url, &parameters).await;
        }
    }

    async fn post(
        &self,
        url: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Response<Bytes>, Failure> {
        let question = self.question(url, parameters);
        let question = question.ok_or(Failure::Unavailable("no_endpoint"))?;
        let caller = self.caller.as_ref();
        let caller = caller.ok_or(Failure::Unavailable("provider_unreachable"))?;
        let answer = caller.call(question).await;
        answer.map_err(|error| {
            Failure::Unavailable(match error {
                CallError::Busy => "provider_busy",
                CallError::Timeout => "provider_slow",
                CallError::Failed => "provider_unreachable",
            })
        })
    }

    fn question(&self, url: &str, parameters: &[(&str, &str)]) -> Option<Question> {
        let uri: Uri = url.parse().ok()?;
        let mut parameters = parameters.to_vec();
        let secret = self.secret.as_ref().map(SecretText::expose);
        let mut basic = None;
        match (secret, self.authentication) {
            (Some(secret), ClientAuthentication::ClientSecretBasic) => {
                let [id, secret] = [&*self.client_id, secret].map(form::escaped);
                let encoded = BASE64_STANDARD.encode(format!("{id}:{secret}"));
                let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
                value.set_sensitive(true);
                basic = Some(value);
            }
            (Some(secret), ClientAuthentication::ClientSecretPost) => {
                parameters.extend([("client_id", &*self.client_id), ("client_secret", secret)]);
            }
            (None, _) => parameters.push(("client_id", &self.client_id)),
        }
        let mut request = Request::new(Bytes::from(form::encode(&parameters)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.path_and_query()?.as_str().parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, uri.authority()?.as_str().parse().ok()?);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::ACCEPT, json);
        headers.extend(basic.map(|value| (header::AUTHORIZATION, value)));
        Some(Question {
            plugin: Arc::clone(&self.plugin),
            server: Arc::new(self.server(&uri)?),
            request,
            timeout: self.timeout,
            max_bytes: MAX_ANSWER_BYTES,
        })
    }

    fn server(&self, uri: &Uri) -> Option<Server> {
        let secure = uri.scheme_str()? == "https";
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some(Server {
            tls: secure.then(|| Arc::clone(&self.tls)),
            protocol: Protocol::Http1,
            host: uri.host()?.trim_matches(['[', ']']).into(),
            port,
        })
    }
}

/// Reads tokens (RFC 6749 section 5.1).
fn tokens(body: &[u8]) -> Result<Tokens, Failure> {
    const NONSENSE: Failure = Failure::Unavailable("provider_nonsense");
    let Ok(Value::Object(members)) = parse_strict_json(body) else {
        return Err(NONSENSE);
    };
    let text = |name: &str| text(&members, name).ok_or(NONSENSE);
    let kind = text("token_type")?.unwrap_or_default();
    let access_token = text("access_token")?.filter(|it| !it.is_empty());
    let (true, Some(access_token)) = (kind.eq_ignore_ascii_case("bearer"), access_token) else {
        return Err(NONSENSE);
    };
    let expires_in = match members.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(Value::Number(seconds)) => Some(seconds.as_u64().ok_or(NONSENSE)?),
        // Some providers write it so.
        Some(Value::String(seconds)) => Some(seconds.parse().map_err(|_| NONSENSE)?),
        Some(_) => return Err(NONSENSE),
    };
    Ok(Tokens {
        id_token: text("id_token")?,
        access_token,
        refresh_token: text("refresh_token")?.filter(|it| !it.is_empty()),
        expires_in: expires_in.map(|it: u64| it.min(MAX_LIFETIME_SECONDS)),
        scope: text("scope")?,
    })
}

/// A member that is a text of visible characters and spaces where it is there; none where it is something else.
fn text(members: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match members.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) if is_plain(text) => Some(Some(text.clone())),
        Some(_) => None,
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Reads why there are none (RFC 6749 section 5.2).
fn refusal(body: &[u8]) -> Failure {
    let document = parse_strict_json(body).unwrap_or_default();
    match document["error"].as_str() {
        None => Failure::Unavailable("provider_nonsense"),
        Some("invalid_grant") => Failure::Refused(
            "code_refused",
            "the provider does not accept the code or token: it was used before, or has expired"
                .into(),
        ),
        // The settings are wrong, or the provider's are.
        Some("invalid_client" | "unauthorized_client") => Failure::Unavailable("client_refused"),
        Some(error) => {
            let detail = format!("the provider gives no tokens: {}", shown(error));
            Failure::Refused("tokens_refused", detail.into())
        }
    }
}

/// The code of an error as it may be shown: short, and of the characters that such a code has (RFC 6749 section 5.2).
pub(super) fn shown(error: &str) -> String {
    let shown: String = error
        .chars()
        .filter(|it| (' '..='~').contains(it) && !"\"\\<>&".contains(*it))
        .take(MAX_CODE_BYTES)
        .collect();
    shown
}

impl From<jwt::Refusal> for Failure {
    fn from(refusal: jwt::Refusal) -> Self {
        match refusal {
            // The provider may have begun to sign with a key that is being fetched.
            jwt::Refusal::UnknownKey => Self::Unavailable("unknown_key"),
            other => Self::Refused(
                other.as_str(),
                format!("the ID token is not accepted: {other}").into(),
            ),
        }
    }
}

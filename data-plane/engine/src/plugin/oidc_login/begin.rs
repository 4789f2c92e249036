//! The beginning of a login: the browser is sent to the provider, and keeps what tells this login from others.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{
    Login, address,
    cookies::Fields,
    event::Event,
    form, now,
    seal::{Purpose, random_text},
};
use crate::{Code, Rejection, RequestContext, key_set::KeySet};

/// Most logins that a browser may have begun at a time; the oldest make room.
const MAX_LOGINS: usize = 6;
/// Characters of a login's id, which are enough to tell a few apart.
const ID_CHARACTERS: usize = 16;
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
/// Fields by which browsers say that they only fetch ahead.
const AHEAD: [HeaderName; 2] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
];

/// A login that has begun, as its browser keeps it, encrypted.
#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {
    /// Tells logins apart; also in `state`.
    pub(super) id: String,
    /// When it began, in seconds since 1970.
    pub(super) begun: u64,
    pub(super) nonce: String,
    /// For PKCE (RFC 7636).
    pub(super) verifier: String,
    pub(super) redirect_uri: String,
    /// Path and query to come back to.
    pub(super) return_to: String,
}

impl Attempt {
    fn begin(redirect_uri: String, return_to: String, now: u64) -> Option<Self> {
        let mut id = random_text()?;
        id.truncate(ID_CHARACTERS);
        Some(Self {
            id,
            begun: now,
            nonce: random_text()?,
            verifier: random_text()?,
            redirect_uri,
            return_to,
        })
    }

    /// The method `S256` of PKCE.
    fn challenge(&self) -> String {
        let hash = digest(&SHA256, self.verifier.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash)
    }
}

/// Whether a browser asks for a page, so that it can be sent elsewhere: not a script, not anything that a page has
/// in it, and nothing that would be lost on the way.
pub(super) fn is_for_page(request: &RequestContext) -> bool {
    let headers = &request.headers;
    let accepts = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        text.contains("text/html")
    };
    let navigates = |value: &HeaderValue| value == "navigate";
    request.method == Method::GET
        && headers.get_all(header::ACCEPT).iter().any(accepts)
        && headers.get_all(FETCH_MODE).iter().all(navigates)
        && !headers.contains_key(REQUESTED_WITH)
        && !AHEAD.iter().any(|name| headers.contains_key(name))
        && !headers.contains_key(header::UPGRADE)
}

impl Login {
    /// Sends the browser to the provider.
    pub(super) fn begin(
        &self,
        request: &RequestContext,
        return_to: String,
    ) -> Result<Response<Bytes>, Rejection> {
        if !request.client.secure && !self.plain_http {
            let detail = "logging in needs https: a browser would not keep the cookies";
            let mut rejection = Rejection::new(Code::LoginRefused, detail);
            rejection.reason = Some("plain_http");
            return Err(rejection);
        }
        let set = self.set(request)?;
        let url = self.provider.authorization(set);
        let url = url.ok_or_else(|| unavailable("no_endpoint"))?;
        let origin = address::origin(self.origin.as_deref(), request);
        let origin = origin.ok_or_else(|| Rejection::new(Code::BadRequest, "there is no host"))?;
        let redirect_uri = format!("{origin}{}", self.paths.callback);
        let now = now();
        let location = Attempt::begin(redirect_uri, return_to, now)
            .and_then(|attempt| Some((self.location(url, &attempt)?, self.note(&attempt)?)));
        let Some((location, cookie)) = location else {
            return Err(unavailable("no_randomness"));
        };
        self.events.count(Event::Begun);
        let mut response = see_other(&location)?;
        let fields = self.make_room(&request.headers).into_iter().chain([cookie]);
        for (name, value) in fields {
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }

    /// The authorization request (OpenID Connect Core 1.0, section 3.1.2.1).
    fn location(&self, url: &str, attempt: &Attempt) -> Option<String> {
        let state = format!("{}:{}", attempt.id, attempt.begun);
        let state = self.sealer.seal(Purpose::State, state.as_bytes())?;
        let challenge = attempt.challenge();
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &*self.provider.client_id),
            ("redirect_uri", &*attempt.redirect_uri),
            ("state", &*state),
            ("nonce", &*attempt.nonce),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
        ];
        let own = self.parameters.iter();
        parameters.extend(own.map(|(name, value)| (&**name, &**value)));
        Some(form::appended(url, &parameters))
    }

    fn note(&self, attempt: &Attempt) -> Option<(HeaderName, HeaderValue)> {
        let text = serde_json::to_vec(attempt).ok()?;
        let sealed = self.sealer.seal(Purpose::Attempt, &text)?;
        let ttl = Duration::from_secs(self.lifetimes.login);
        self.cookies.set_login(&attempt.id, &sealed, ttl)
    }

    /// Takes the oldest logins of a browser away, and those that mean nothing, so that there are never many.
    fn make_room(&self, headers: &HeaderMap) -> Fields {
        let logins = self.cookies.logins(headers);
        if logins.len() < MAX_LOGINS {
            return Fields::new();
        }
        let begun = |sealed: &str| self.attempt(sealed).map_or(0, |attempt| attempt.begun);
        let mut logins: Vec<(u64, &str)> = logins
            .into_iter()
            .map(|(id, sealed)| (begun(sealed), id))
            .collect();
        logins.sort_unstable();
        let surplus = logins.len() + 1 - MAX_LOGINS;
        let gone = logins.into_iter().take(surplus);
        gone.filter_map(|(_, id)| self.cookies.unset_login(id))
            .collect()
    }

    /// Opens the cookie of a login.
    pub(super) fn attempt(&self, sealed: &str) -> Option<Attempt> {
        let text = self.sealer.open(Purpose::Attempt, sealed)?;
        serde_json::from_slice(&text).ok()
    }

    /// The key set of this request's configuration.
    pub(super) fn set<'r>(
        &self,
        request: &'r RequestContext,
    ) -> Result<&'r std::sync::Arc<KeySet>, Rejection> {
        let set = request.snapshot.key_sets.get(&self.key_set);
        set.ok_or_else(|| unavailable("no_keys"))
    }
}

/// Sends a browser elsewhere, by GET, and tells nobody where it was.
pub(super) fn see_other(location: &str) -> Result<Response<Bytes>, Rejection> {
    let Ok(location) = HeaderValue::from_str(location) else {
        return Err(unavailable("no_endpoint"));
    };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    let no_referrer = HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, no_referrer);
    Ok(response)
}

/// Nobody can log in now.
pub(super) fn unavailable(reason: &'static str) -> Rejection {
    let detail = "logins are not possible at the moment; try again";
    let mut rejection = Rejection::new(Code::LoginUnavailable, detail);
    rejection.reason = Some(reason);
    rejection.with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

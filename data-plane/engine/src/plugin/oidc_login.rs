//! `oidc-login`: people log in with a browser at an OpenID Connect provider.
//!
//! Nodes keep nothing: a login that has begun ([`begin`]) and a session ([`session`]) are in cookies ([`cookies`]) that
//! only nodes with the session keys can read ([`seal`]). So any node can finish what another one has begun
//! ([`callback`]). What a node remembers only spares it work, and the provider questions ([`refresh`]).

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderName, Method as HttpMethod, header};

use self::{
    cookies::{Cookies, Fields, Sent},
    event::Events,
    provider::Provider,
    refresh::{Outcome, Refreshes},
    seal::Sealer,
    session::{Held, Lifetimes, Standing},
    settings::{Settings, UpstreamToken},
};
use super::{
    Build, InvalidSetting,
    identity::{
        ConfigureMethod, Method, Refusal, Serving, Verdict, claims_to_headers::ClaimsToHeaders,
        meaning::Meaning,
    },
};
use crate::{
    Code, Rejection, RequestContext, Snapshot,
    jwt::{Remembered, TokenDigest},
    reference::Reference,
};

mod address;
mod begin;
mod callback;
mod checked;
mod cookies;
mod event;
mod form;
mod logout;
mod provider;
mod refresh;
mod seal;
mod session;
mod settings;
#[cfg(test)]
mod tests;

/// See [`ConfigureMethod::DOCS`].
#[derive(Debug)]
pub(super) struct OidcLogin(Arc<Login>);

/// All that it is made of.
struct Login {
    key_set: Box<str>,
    provider: Provider,
    /// Further parameters of the authorization request.
    parameters: Vec<(Box<str>, Box<str>)>,
    /// Scopes that are asked for, with spaces between.
    scope: Box<str>,
    paths: Paths,
    origin: Option<Box<str>>,
    plain_http: bool,
    cookies: Cookies,
    sealer: Sealer,
    lifetimes: Lifetimes,
    meaning: Meaning,
    headers: ClaimsToHeaders,
    upstream_token: UpstreamToken,
    upstream_header: HeaderName,
    /// Sessions in plain, by the digest of their cookies.
    opened: Remembered<(), Held>,
    /// For what all sessions were opened with.
    opener: Arc<()>,
    refreshes: Arc<Refreshes>,
    events: Arc<Events>,
}

/// Paths that are the plugin's own.
#[derive(Debug)]
struct Paths {
    callback: Box<str>,
    login: Option<Box<str>>,
    logout: Box<str>,
    after_logout: Option<Box<str>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Login")
            .field("key_set", &self.key_set)
            .finish_non_exhaustive()
    }
}

impl ConfigureMethod for OidcLogin {
    const NAME: &'static str = "oidc-login";
    const SUMMARY: &'static str = "Has people log in with a browser at an OpenID Connect provider.";
    const DOCS: &'static str = "\
A browser that asks for a page without a session is sent to the provider (authorization code with PKCE, `state` and
`nonce`), comes back to `callback_path`, gets a session and is sent to the page it asked for. Register the URL of
`callback_path` at the provider. The plugin must be attached to routes that match `callback_path`, `logout_path` and
`login_path`.

Anything but a browser that asks for a page gets 401 instead: no GET, no `text/html` in `Accept`, `Sec-Fetch-Mode`
other than `navigate`, `X-Requested-With`, or fetched ahead.

The session is in cookies (`__Host-...`, `Secure`, `HttpOnly`, `SameSite=Lax`) that are encrypted with `session_keys`
(AES-256-GCM). Nodes keep nothing, so each of them understands all sessions and can finish logins that another one has
begun. To rotate the keys, put a new one first, and take the old one out once `lifetime_seconds` have passed. A session
ends with `lifetime_seconds` or `idle_seconds`, when its tokens expire and cannot be refreshed, and when the browser logs
out. What was copied from a browser before it logged out is good until its tokens have to be refreshed, if the provider
revokes them (`revocation_endpoint`), or else until the session ends.

The upstream does not see the cookies. It is told who calls by the consumer, by `claims_to_headers`, and by a token
(`upstream_token`) if it needs one. A session without known consumer (`consumer_claim`) gets 403.

Tokens are refreshed in time where the provider gives a token for that: once for all requests of a session on a node.
While the provider is down, sessions go on until their tokens expire.

`GET` or `POST` of `logout_path` ends the session, has the tokens revoked and sends the browser to the provider's
`end_session_endpoint`, where there is one. Only pages of the same origin may do that; others get 403, code `cross_site`.

Codes: `login_refused` (403) for a login that the provider refused, that took too long, was begun in another browser, or
whose answer or ID token is not as it must be; `login_unavailable` (503) where the provider does not answer in
`timeout_ms` or refuses this client. Reasons are in the access line (`reason` in `refusals`) and in
`gatewright_authentication_refusals_total`: `login_needed`, `session_unreadable`, `session_expired`, `session_idle`,
`tokens_expired`, `refresh_refused`, `unknown_consumer`, `plain_http`; `malformed`, `state_unknown`, `state_expired`,
`state_of_another_browser`, `issuer`, `provider_error`, `code_refused`, `tokens_refused`, `nonce`, `authorized_party`,
`max_age`, `at_hash`, `subject`, `claim`, and those of `jwt`; `no_keys`, `no_issuer`, `no_endpoint`, `unknown_key`,
`provider_busy`, `provider_slow`, `provider_unreachable`, `provider_failed`, `provider_nonsense`, `client_refused`,
`no_id_token`, `session_too_large`. What has happened is counted in `gatewright_plugin_events_total` by `event`: `begun`,
`completed`, `refused`, `unavailable`, `renewed`, `renewal_refused`, `renewal_unavailable`, `logged_out`.";
    const EXAMPLE: &'static str = "\
key_set: login
client_id: orders-web
client_secret: file:client-secret
session_keys: [file:session-key]
scopes: [openid, email, offline_access]
claims_to_headers: {sub: x-user-id, email: x-user-email}
after_logout: /goodbye";
    const HIDES: bool = true;
    type Settings = Settings;

    fn configure(settings: Settings, build: &Build<'_>) -> Result<Self, Vec<InvalidSetting>> {
        checked::login(settings, build).map(|login| Self(Arc::new(login)))
    }

    fn references(settings: &Settings) -> Vec<Reference> {
        settings.references()
    }
}

impl Method for OidcLogin {
    fn verify(&self, request: &RequestContext) -> Verdict {
        let Some(sent) = self.0.cookies.session(&request.headers) else {
            return Verdict::Absent;
        };
        let Some(set) = request.snapshot.key_sets.get(&self.0.key_set) else {
            return unavailable(Code::KeysUnavailable, "no_keys");
        };
        let now = now();
        let Some(held) = self.0.opened(&sent, now) else {
            return lapsed("session_unreadable");
        };
        match self.0.lifetimes.standing(&held, now) {
            Standing::Good => self.0.proven(&held, &request.snapshot, Fields::new()),
            Standing::Ended(reason) => lapsed(reason),
            standing @ (Standing::Early | Standing::Due) => {
                let (login, set) = (Arc::clone(&self.0), Arc::clone(set));
                let snapshot = Arc::clone(&request.snapshot);
                Verdict::wait(async move {
                    let refreshed = Arc::clone(&login).refreshed(Arc::clone(&held), set).await;
                    match (&*refreshed, standing) {
                        (Outcome::Renewed(held, fields), _) => {
                            login.proven(held, &snapshot, fields.clone())
                        }
                        (_, Standing::Early) => login.proven(&held, &snapshot, Fields::new()),
                        (Outcome::Refused, _) => lapsed("refresh_refused"),
                        (Outcome::Unavailable, _) => {
                            unavailable(Code::LoginUnavailable, "provider_unreachable")
                        }
                    }
                })
            }
        }
    }

    fn hide(&self, request: &mut RequestContext) {
        self.0.cookies.hide(&mut request.headers);
    }

    fn tell(&self, request: &mut RequestContext) {
        let own = self.0.upstream_token != UpstreamToken::None;
        // `Authorization` may be of another method; where there is a token it is replaced.
        if own && self.0.upstream_header != header::AUTHORIZATION {
            request.headers.remove(&self.0.upstream_header);
        }
        self.0.headers.write(request);
    }

    fn serve(&self, request: &RequestContext) -> Option<Serving> {
        let (login, path) = (Arc::clone(&self.0), &*request.path);
        if *path == *login.paths.callback {
            let returned = login.returned(request);
            return Some(Box::pin(async move {
                let completed = match returned {
                    Ok(returned) => login.complete(returned).await,
                    Err(rejection) => Err(rejection),
                };
                completed.map_err(|rejection| login.failed(rejection))
            }));
        }
        if *path == *login.paths.logout {
            let leaving = login.leaving(request);
            return Some(Box::pin(async move { Ok(login.leave(leaving?).await) }));
        }
        let begins = login.paths.login.as_deref() == Some(path);
        begins.then(|| -> Serving {
            let begun = login.begin_by_itself(request);
            Box::pin(async move { begun })
        })
    }

    fn invite(&self, request: &RequestContext) -> Option<Rejection> {
        if !begin::is_for_page(request) {
            return None;
        }
        // Who is logged in lacks something else, and would be sent to and fro without end.
        if self.0.is_logged_in(request) {
            return None;
        }
        let begun = self.0.begin(request, address::asked_for(request));
        Some(begun.map_or_else(
            |rejection| rejection,
            |response| {
                let mut invitation = Rejection::new(Code::Unauthorized, "log in");
                invitation.reason = Some("login_needed");
                invitation.instead = Some(Box::new(response));
                invitation
            },
        ))
    }

    fn events(&self, tell: &mut dyn FnMut(&'static str, u64)) {
        self.0
            .events
            .each()
            .for_each(|(name, count)| tell(name, count));
    }

    fn challenge(&self, realm: &str, _refusal: Option<&Refusal>) -> String {
        match &self.0.paths.login {
            Some(path) => format!("OpenID realm=\"{realm}\", login=\"{path}\""),
            None => format!("OpenID realm=\"{realm}\""),
        }
    }
}

impl Login {
    /// The session that a browser sent, opened now or remembered.
    fn opened(&self, sent: &Sent, now: u64) -> Option<Arc<Held>> {
        let seen = sent.seen.as_deref().unwrap_or_default();
        let digest = TokenDigest::of(format!("{} {seen}", sent.session).as_bytes());
        if let Some(held) = self.opened.get(&digest, &self.opener, now) {
            return Some(held);
        }
        let held = Arc::new(self.open(sent)?);
        let until = held.session.begun.saturating_add(self.lifetimes.session);
        self.opened
            .put(digest, &self.opener, until, Arc::clone(&held));
        Some(held)
    }

    /// Whether there is a session that counts as it is.
    fn is_logged_in(&self, request: &RequestContext) -> bool {
        let (sent, now) = (self.cookies.session(&request.headers), now());
        let held = sent.and_then(|sent| self.opened(&sent, now));
        let standing = held.map(|held| self.lifetimes.standing(&held, now));
        matches!(standing, Some(Standing::Good | Standing::Early))
    }

    fn proven(&self, held: &Held, snapshot: &Snapshot, mut fields: Fields) -> Verdict {
        let Some(mut identity) = held.found.identity(snapshot, OidcLogin::NAME) else {
            // Not 401: to log in again would change nothing.
            let detail = "the session is of no consumer that is known";
            let refusal = Refusal::because(Code::Forbidden, detail);
            return Verdict::Refused(refusal.noted_as("unknown_consumer"));
        };
        fields.extend(self.note_use(&held.session, held.seen, now()));
        identity.told.client = fields;
        identity.told.upstream.extend(held.upstream.clone());
        Verdict::Proven(identity)
    }

    /// Begins a login because a browser asked for it, and not for a page.
    fn begin_by_itself(
        &self,
        request: &RequestContext,
    ) -> Result<http::Response<bytes::Bytes>, Rejection> {
        if request.method != HttpMethod::GET {
            let rejection = Rejection::new(Code::MethodNotAllowed, "log in by GET");
            return Err(rejection.with_header(header::ALLOW, http::HeaderValue::from_static("GET")));
        }
        let query = request.query.as_deref().unwrap_or_default();
        match form::one(query, "return_to") {
            Ok(None) => self.begin(request, "/".to_owned()),
            Ok(Some(path)) if address::is_local(&path) => self.begin(request, path),
            _ => {
                let detail = "`return_to` must be a path of this site";
                Err(Rejection::new(Code::BadRequest, detail))
            }
        }
    }
}

fn lapsed(reason: &'static str) -> Verdict {
    let refusal = Refusal::because(Code::Unauthorized, "the session has ended; log in again");
    Verdict::Refused(refusal.noted_as(reason).lapsed())
}

fn unavailable(code: Code, reason: &'static str) -> Verdict {
    let detail = "nobody can tell at the moment whether the session still counts";
    Verdict::Refused(Refusal::because(code, detail).noted_as(reason))
}

/// In seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

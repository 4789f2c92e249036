//! The end of a login: the browser comes back from the provider with a code, or with an error.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};

use super::{
    Login, address,
    begin::{Attempt, see_other, unavailable},
    cookies::Fields,
    event::Event,
    form, now,
    provider::{Expected, Failure, shown},
    seal::Purpose,
    session::Session,
};
use crate::{Code, Rejection, RequestContext, key_set::KeySet};

/// Longest query that is looked at.
const MAX_QUERY_BYTES: usize = 16 * 1024;
/// Longest explanation of the provider that is shown.
const MAX_DESCRIPTION_BYTES: usize = 200;

/// What the provider says through the browser (RFC 6749 section 4.1.2, RFC 9207).
struct Answer {
    state: String,
    iss: Option<String>,
    /// The code; or an error, and what the provider says of it.
    outcome: Result<String, (String, String)>,
}

/// All that is needed of a request once it is no longer there.
pub(super) struct Returned {
    attempt: Attempt,
    code: String,
    set: Arc<KeySet>,
    origin: String,
    /// Cookies that the session that was there before was in.
    parts: usize,
}

impl Login {
    /// What a request of a browser that comes back says.
    ///
    /// # Errors
    /// It is not the end of a login that this browser has begun, or the provider refused it.
    pub(super) fn returned(&self, request: &RequestContext) -> Result<Returned, Rejection> {
        if request.method != Method::GET {
            let rejection = Rejection::new(
                Code::MethodNotAllowed,
                "answers of the provider come by GET",
            );
            return Err(rejection.with_header(header::ALLOW, HeaderValue::from_static("GET")));
        }
        let answer = Answer::read(request.query.as_deref().unwrap_or_default())?;
        let attempt = self.begun_here(&answer.state, request)?;
        let id = attempt.id.clone();
        // Whatever comes of it, this login is over.
        self.conclude(answer, attempt, request)
            .map_err(|rejection| match self.cookies.unset_login(&id) {
                Some((name, value)) => rejection.with_header(name, value),
                None => rejection,
            })
    }

    /// The login that `state` is of, which must have begun in this browser.
    fn begun_here(&self, state: &str, request: &RequestContext) -> Result<Attempt, Rejection> {
        let opened = self.sealer.open(Purpose::State, state);
        let opened = opened.and_then(|text| String::from_utf8(text).ok());
        let Some((id, begun)) = opened.as_deref().and_then(|it| it.split_once(':')) else {
            return Err(refused(
                "state_unknown",
                "`state` is none that was given here",
            ));
        };
        let begun: u64 = begun.parse().unwrap_or(0);
        if now() >= begun.saturating_add(self.lifetimes.login) {
            let detail = "the login took too long; open the page again";
            return Err(refused("state_expired", detail));
        }
        let kept = self.cookies.login(&request.headers, id);
        let kept = kept.and_then(|sealed| self.attempt(sealed));
        kept.filter(|attempt| attempt.id == id).ok_or_else(|| {
            let detail =
                "this login was begun in another browser, or is over already; open the page again";
            refused("state_of_another_browser", detail)
        })
    }

    fn conclude(
        &self,
        answer: Answer,
        attempt: Attempt,
        request: &RequestContext,
    ) -> Result<Returned, Rejection> {
        let set = self.set(request)?;
        match (answer.iss, self.provider.issuer(set)) {
            (Some(iss), Some(issuer)) if iss == issuer => {}
            (None, _) if !self.provider.must_name_issuer(set) => {}
            _ => {
                return Err(refused(
                    "issuer",
                    "the answer is of another provider, or does not say of which",
                ));
            }
        }
        let code = answer.outcome.map_err(|(error, description)| {
            let detail = format!("the provider refused the login: {error}{description}");
            refused("provider_error", detail)
        })?;
        let origin = address::origin(self.origin.as_deref(), request);
        let sent = self.cookies.session(&request.headers);
        Ok(Returned {
            attempt,
            code,
            set: Arc::clone(set),
            origin: origin.ok_or_else(|| Rejection::new(Code::BadRequest, "there is no host"))?,
            parts: sent.map_or(0, |sent| sent.parts),
        })
    }

    /// Exchanges the code for tokens, and gives the browser a session.
    pub(super) async fn complete(&self, returned: Returned) -> Result<Response<Bytes>, Rejection> {
        let over = self.cookies.unset_login(&returned.attempt.id);
        let completed = match self.session(&returned).await {
            Ok(session) => self.welcome(&session, &returned),
            Err(failure) => Err(told(failure)),
        };
        match completed {
            Ok(mut response) => {
                if let Some((name, value)) = over {
                    response.headers_mut().append(name, value);
                }
                Ok(response)
            }
            Err(mut rejection) => {
                rejection.headers.extend(over);
                Err(rejection)
            }
        }
    }

    async fn session(&self, returned: &Returned) -> Result<Session, Failure> {
        let attempt = &returned.attempt;
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", &*returned.code),
            ("redirect_uri", &*attempt.redirect_uri),
            ("code_verifier", &*attempt.verifier),
        ];
        let mut tokens = self.provider.tokens(&returned.set, &parameters).await?;
        let now = now();
        let id_token = tokens.id_token.as_deref();
        let id_token = id_token.ok_or(Failure::Unavailable("no_id_token"))?;
        let both = (id_token, &*tokens.access_token);
        let expected = Expected::Nonce(&attempt.nonce);
        self.provider.check(&returned.set, both, &expected, now)?;
        // What is not said is as it was asked for (RFC 6749 section 5.1).
        tokens.scope.get_or_insert_with(|| self.scope.to_string());
        let session = Session::begin(now).ok_or(Failure::Unavailable("no_randomness"))?;
        Ok(session.with(tokens, self.upstream_token, now))
    }

    fn welcome(
        &self,
        session: &Session,
        returned: &Returned,
    ) -> Result<Response<Bytes>, Rejection> {
        if self.hold(session.clone(), 0, None).is_none() {
            let detail = "the ID token does not say what is asked of it here";
            return Err(refused("claim", detail));
        }
        let Some(fields) = self.keep(session, returned.parts) else {
            return Err(unavailable("session_too_large"));
        };
        let target = &returned.attempt.return_to;
        let target = match address::is_local(target) {
            true => format!("{}{target}", returned.origin),
            false => format!("{}/", returned.origin),
        };
        let mut response = see_other(&target)?;
        let seen: Fields = self.note_use(session, None, session.begun);
        for (name, value) in fields.into_iter().chain(seen) {
            response.headers_mut().append(name, value);
        }
        self.events.count(Event::Completed);
        Ok(response)
    }

    /// Counts a login that came to nothing.
    pub(super) fn failed(&self, rejection: Rejection) -> Rejection {
        self.events.count(match rejection.code {
            Code::LoginUnavailable => Event::Unavailable,
            _ => Event::Refused,
        });
        rejection
    }
}

impl Answer {
    fn read(query: &str) -> Result<Self, Rejection> {
        let malformed = || refused("malformed", "this is no answer of a provider");
        if query.len() > MAX_QUERY_BYTES {
            return Err(malformed());
        }
        let one = |name: &str| form::one(query, name).map_err(|()| malformed());
        let state = one("state")?.ok_or_else(malformed)?;
        let outcome = match (one("code")?, one("error")?) {
            (Some(code), None) if !code.is_empty() => Ok(code),
            (None, Some(error)) => {
                let description = one("error_description")?;
                Err((shown(&error), explained(description)))
            }
            _ => return Err(malformed()),
        };
        Ok(Self {
            state,
            iss: one("iss")?,
            outcome,
        })
    }
}

/// What the provider says of an error, within bounds; it goes into JSON, which escapes it.
fn explained(description: Option<String>) -> String {
    let plain = |it: &char| (' '..='~').contains(it) && !"<>&".contains(*it);
    let text: String = description
        .unwrap_or_default()
        .chars()
        .filter(plain)
        .take(MAX_DESCRIPTION_BYTES)
        .collect();
    if text.is_empty() {
        text
    } else {
        format!(" ({text})")
    }
}

fn told(failure: Failure) -> Rejection {
    match failure {
        Failure::Refused(reason, detail) => refused(reason, detail),
        Failure::Unavailable(reason) => unavailable(reason),
    }
}

fn refused(reason: &'static str, detail: impl Into<Cow<'static, str>>) -> Rejection {
    let mut rejection = Rejection::new(Code::LoginRefused, detail);
    rejection.reason = Some(reason);
    rejection
}

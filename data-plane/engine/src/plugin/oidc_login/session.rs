//! A session: what the provider has given for a browser, and for how long that counts.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{
    Login,
    cookies::{Fields, Sent},
    provider::{self, Tokens},
    seal::{Purpose, random_text},
    settings::UpstreamToken,
};
use crate::{jwt::Scopes, plugin::identity::meaning::Found};

/// How often at most a browser is told anew when its session was last used, in seconds.
const MAX_SEEN_PAUSE_SECONDS: u64 = 60;

/// What a browser keeps, encrypted. Names are short since cookies are.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    /// Tells sessions apart.
    #[serde(rename = "i")]
    pub(super) id: String,
    /// When it began, in seconds since 1970.
    #[serde(rename = "b")]
    pub(super) begun: u64,
    /// When the provider last gave tokens.
    #[serde(rename = "o")]
    obtained: u64,
    /// When these expire, where the provider says so.
    #[serde(rename = "e")]
    expires: Option<u64>,
    #[serde(rename = "t")]
    pub(super) id_token: String,
    /// Only where the upstream gets it.
    #[serde(rename = "a")]
    access_token: Option<String>,
    #[serde(rename = "r")]
    pub(super) refresh_token: Option<String>,
    #[serde(rename = "s")]
    scope: String,
}

/// A session, opened.
pub(super) struct Held {
    pub(super) session: Session,
    /// Whose it is.
    pub(super) found: Found,
    /// The token for the upstream.
    pub(super) upstream: Option<(HeaderName, HeaderValue)>,
    /// How many cookies it was in.
    pub(super) parts: usize,
    /// When it was last used, in seconds since 1970; none where that is not kept, or cannot be told.
    pub(super) seen: Option<u64>,
}

/// Whether a session counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// It does, and its tokens are to be refreshed.
    Early,
    /// It does once its tokens have been refreshed.
    Due,
    /// It does not; why.
    Ended(&'static str),
}

/// How long things last, in seconds.
#[derive(Debug)]
pub(super) struct Lifetimes {
    pub(super) session: u64,
    /// 0: as the session.
    pub(super) idle: u64,
    pub(super) login: u64,
    pub(super) refresh_ahead: u64,
    pub(super) outlive_tokens: bool,
}

impl Session {
    /// One that begins now; none where the machine has no randomness.
    pub(super) fn begin(now: u64) -> Option<Self> {
        Some(Self {
            id: random_text()?,
            begun: now,
            obtained: now,
            expires: None,
            id_token: String::new(),
            access_token: None,
            refresh_token: None,
            scope: String::new(),
        })
    }

    /// With what the provider gave now, in place of what it gave before.
    pub(super) fn with(self, tokens: Tokens, upstream: UpstreamToken, now: u64) -> Self {
        let access_token = (upstream == UpstreamToken::AccessToken).then_some(tokens.access_token);
        Self {
            obtained: now,
            expires: tokens.expires_in.map(|seconds| now.saturating_add(seconds)),
            id_token: tokens.id_token.unwrap_or(self.id_token),
            access_token,
            refresh_token: tokens.refresh_token.or(self.refresh_token),
            scope: tokens.scope.unwrap_or(self.scope),
            ..self
        }
    }
}

impl Lifetimes {
    /// Whether a session counts now.
    pub(super) fn standing(&self, held: &Held, now: u64) -> Standing {
        let session = &held.session;
        if now >= session.begun.saturating_add(self.session) {
            return Standing::Ended("session_expired");
        }
        let rests = |seen: u64| now >= seen.saturating_add(self.idle);
        if self.idle > 0 && held.seen.is_none_or(rests) {
            return Standing::Ended("session_idle");
        }
        let Some(expires) = session.expires else {
            return Standing::Good;
        };
        let lifetime = expires.saturating_sub(session.obtained);
        let ahead = self.refresh_ahead.min(lifetime / 4);
        match &session.refresh_token {
            Some(_) if now >= expires => Standing::Due,
            Some(_) if now >= expires.saturating_sub(ahead) => Standing::Early,
            None if now >= expires && !self.outlive_tokens => Standing::Ended("tokens_expired"),
            _ => Standing::Good,
        }
    }

    /// Whether a browser is to be told anew that the session is used.
    fn is_noteworthy(&self, seen: Option<u64>, now: u64) -> bool {
        let pause = (self.idle / 10).clamp(1, MAX_SEEN_PAUSE_SECONDS);
        self.idle > 0 && seen.is_none_or(|seen| now >= seen.saturating_add(pause))
    }
}

impl Login {
    /// Opens what a browser sent; none where it is nothing that can be read, or means nothing any more.
    pub(super) fn open(&self, sent: &Sent) -> Option<Held> {
        let text = self.sealer.open(Purpose::Session, &sent.session)?;
        let session: Session = serde_json::from_slice(&text).ok()?;
        let seen = sent
            .seen
            .as_deref()
            .and_then(|seen| self.seen(&session, seen));
        self.hold(session, sent.parts, seen)
    }

    fn seen(&self, session: &Session, sealed: &str) -> Option<u64> {
        let text = self.sealer.open(Purpose::Activity, sealed)?;
        let (id, seen) = str::from_utf8(&text).ok()?.split_once(':')?;
        (id == session.id).then(|| seen.parse().ok()).flatten()
    }

    /// What a session means; none where its claims do not say what is asked of them.
    pub(super) fn hold(&self, session: Session, parts: usize, seen: Option<u64>) -> Option<Held> {
        let claims = provider::claims(&session.id_token)?;
        let scopes = Scopes::from_text(&session.scope);
        let found = self.meaning.of(claims, &scopes).ok()?;
        Some(Held {
            upstream: self.for_upstream(&session),
            session,
            found,
            parts,
            seen,
        })
    }

    fn for_upstream(&self, session: &Session) -> Option<(HeaderName, HeaderValue)> {
        let token = match self.upstream_token {
            UpstreamToken::None => return None,
            UpstreamToken::AccessToken => session.access_token.as_deref()?,
            UpstreamToken::IdToken => &session.id_token,
        };
        let name = self.upstream_header.clone();
        let value = match name == http::header::AUTHORIZATION {
            true => HeaderValue::try_from(format!("Bearer {token}")),
            false => HeaderValue::try_from(token),
        };
        Some((name, value.ok()?))
    }

    /// What a browser is to keep of a session in place of one of `before` cookies; none where it is too long.
    pub(super) fn keep(&self, session: &Session, before: usize) -> Option<Fields> {
        let text = serde_json::to_vec(session).ok()?;
        let sealed = self.sealer.seal(Purpose::Session, &text)?;
        self.cookies.set_session(&sealed, before)
    }

    /// What a browser is to keep of when a session was last used, if it is to be told anew.
    pub(super) fn note_use(&self, session: &Session, seen: Option<u64>, now: u64) -> Fields {
        if !self.lifetimes.is_noteworthy(seen, now) {
            return Fields::new();
        }
        let text = format!("{}:{now}", session.id);
        let sealed = self.sealer.seal(Purpose::Activity, text.as_bytes());
        let field = sealed.and_then(|sealed| self.cookies.set_seen(&sealed));
        field.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Lifetimes, Session, Standing};
    use crate::{
        jwt::{Claims, Scopes},
        plugin::identity::meaning::Meaning,
    };

    fn held(expires: Option<u64>, refresh: bool, seen: Option<u64>) -> Held {
        let session = Session {
            expires,
            refresh_token: refresh.then(|| "r".to_owned()),
            ..Session::begin(1000).unwrap()
        };
        let claims = Claims::new(serde_json::Map::new());
        Held {
            session,
            found: Meaning::default().of(claims, &Scopes::default()).unwrap(),
            upstream: None,
            parts: 1,
            seen,
        }
    }

    #[test]
    fn a_session_counts_until_its_time_is_up_it_rests_or_its_tokens_expire() {
        let lifetimes = Lifetimes {
            session: 1000,
            idle: 100,
            login: 0,
            refresh_ahead: 60,
            outlive_tokens: false,
        };
        let (good, ended) = (Standing::Good, Standing::Ended);
        let cases = [
            (held(None, false, Some(1000)), 1099, good),
            (held(None, false, Some(1000)), 1100, ended("session_idle")),
            (held(None, false, None), 1000, ended("session_idle")),
            (held(None, false, Some(1950)), 1999, good),
            (
                held(None, false, Some(1950)),
                2000,
                ended("session_expired"),
            ),
            (held(Some(1040), false, Some(1000)), 1039, good),
            (
                held(Some(1040), false, Some(1000)),
                1040,
                ended("tokens_expired"),
            ),
            // A quarter of 40 seconds ahead.
            (held(Some(1040), true, Some(1000)), 1029, good),
            (held(Some(1040), true, Some(1000)), 1030, Standing::Early),
            (held(Some(1040), true, Some(1000)), 1040, Standing::Due),
            (held(Some(1900), true, Some(1800)), 1839, good),
            (held(Some(1900), true, Some(1800)), 1840, Standing::Early),
        ];
        for (place, (held, now, expected)) in cases.iter().enumerate() {
            assert_eq!(lifetimes.standing(held, *now), *expected, "{place}");
        }
        let longer = Lifetimes {
            outlive_tokens: true,
            idle: 0,
            ..lifetimes
        };
        assert_eq!(longer.standing(&held(Some(1040), false, None), 1500), good);
        assert!(!longer.is_noteworthy(None, 1500));
    }
}

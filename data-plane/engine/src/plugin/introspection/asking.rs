//! Asks what a token is worth, and remembers the answer.

use std::sync::Arc;

use aws_lc_rs::{hmac, rand::SystemRandom};
use serde_json::{Map, Value};

use super::{now, settings::Settings};
use crate::{
    jwt::{Claims, Policy, Refusal, Remembered, TokenDigest},
    plugin::{
        Build, InvalidSetting,
        identity::{
            binding::Confirmation,
            meaning::{self, Meaning},
        },
        oauth::{Asked, Endpoint, Failure, flights::Flights},
    },
};

/// Asks what a token is worth, and remembers the answer.
#[derive(Debug)]
pub(super) struct Asking {
    endpoint: Endpoint,
    pub(super) policy: Policy,
    meaning: Meaning,
    /// What digests are made with.
    key: hmac::Key,
    /// Apart, so that a flood of wrong tokens pushes no right one out.
    good: Remembered<(), Found>,
    bad: Remembered<(), No>,
    /// For how long, in seconds.
    remember: (u64, u64),
    /// Whose these tables are.
    owner: Arc<()>,
    flights: Arc<Flights<TokenDigest, Answer>>,
    max_concurrent: usize,
}

/// What came of a question.
type Answer = Result<Arc<Found>, No>;

/// What was found of a token that counts.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) shared: meaning::Found,
    pub(super) bound: Confirmation,
    /// From when it is valid, in seconds since 1970.
    from: u64,
    /// The first second in which it no longer is.
    until: u64,
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// The server says so.
    Inactive,
    /// It is not as asked.
    Policy(Refusal),
    /// Nobody can tell.
    Unavailable(Failure),
}

impl No {
    /// Its name: stable, snake_case.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Policy(refusal) => refusal.as_str(),
            Self::Unavailable(failure) => failure.as_str(),
        }
    }
}

impl Asking {
    /// From settings; none where they have mistakes.
    pub(super) fn compile(
        settings: &Settings,
        build: &Build<'_>,
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Option<Self> {
        let policy = settings.policy(mistakes);
        let asked = Asked {
            field: "endpoint",
            url: &settings.endpoint,
            ca: settings.ca.as_ref(),
            allow_http: settings.allow_http,
            client: &settings.client,
            timeout_ms: settings.timeout_ms,
            parameters: &settings.parameters,
        };
        let endpoint = Endpoint::compile(&asked, build, mistakes)?;
        let room = settings.remember.min(1_000_000);
        Some(Self {
            endpoint,
            policy,
            meaning: Meaning {
                consumer_claim: settings.consumer_claim.as_deref().map(Into::into),
                groups_claim: settings.groups_claim.as_deref().map(Into::into),
            },
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .expect("the system has randomness"),
            good: Remembered::new(room),
            bad: Remembered::new(room),
            remember: (settings.remember_seconds, settings.remember_refused_seconds),
            owner: Arc::default(),
            flights: Arc::default(),
            max_concurrent: settings.max_concurrent as usize,
        })
    }

    pub(super) fn digest(&self, token: &[u8]) -> TokenDigest {
        TokenDigest::keyed(&self.key, token)
    }

    /// What was found lately. `now` is in seconds since 1970.
    pub(super) fn remembered(&self, digest: &TokenDigest, now: u64) -> Option<Answer> {
        if let Some(found) = self.good.get(digest, &self.owner, now)
            && found.from <= now
        {
            return Some(Ok(found));
        }
        let bad = self.bad.get(digest, &self.owner, now)?;
        Some(Err(*bad))
    }

    /// Asks, together with all that ask about the same token now.
    pub(super) async fn ask(self: Arc<Self>, digest: TokenDigest, token: Box<str>) -> Answer {
        let (flights, most) = (Arc::clone(&self.flights), self.max_concurrent);
        let question = move || {
            let parameters = [("token", &*token), ("token_type_hint", "access_token")];
            let asked = self.endpoint.ask(&parameters);
            let answer = async move {
                let answer = match asked.await {
                    Ok(members) => self.read(members, now()),
                    Err(failure) => Err(No::Unavailable(failure)),
                };
                self.keep(digest, &answer, now());
                answer
            };
            Box::pin(answer) as _
        };
        let answer = flights.join(digest, most, question).await;
        answer.unwrap_or(Err(No::Unavailable(Failure::Busy)))
    }

    /// What an answer says of the token (RFC 7662 section 2.2).
    fn read(&self, mut members: Map<String, Value>, now: u64) -> Answer {
        match members.remove("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Err(No::Inactive),
            _ => return Err(No::Unavailable(Failure::Nonsense)),
        }
        let verified = self.policy.check(Claims::new(members), now);
        let verified = verified.map_err(No::Policy)?;
        let (from, until) = (verified.from, verified.until);
        let shared = self.meaning.of(verified.claims, &verified.scopes);
        let shared = shared.map_err(No::Policy)?;
        let bound = Confirmation::of(&shared.claims().values);
        Ok(Arc::new(Found {
            shared,
            bound,
            from,
            until,
        }))
    }

    fn keep(&self, digest: TokenDigest, answer: &Answer, now: u64) {
        let (good, bad) = self.remember;
        match answer {
            Ok(found) if good > 0 => {
                let until = found.until.min(now.saturating_add(good));
                self.good.put(digest, &self.owner, until, Arc::clone(found));
            }
            Err(no @ (No::Inactive | No::Policy(_))) if bad > 0 => {
                let until = now.saturating_add(bad);
                self.bad.put(digest, &self.owner, until, Arc::new(*no));
            }
            // What nobody could tell may be told by the next question.
            Ok(_) | Err(_) => {}
        }
    }
}

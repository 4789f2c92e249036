//! Fetches tokens, one at a time.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::{Map, Value};

use super::tokens::{Fetched, Flight, Token, Tokens};
use crate::{
    Renewal,
    plugin::oauth::{Endpoint, Failure},
};

/// Longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Longest lifetime that is believed, in seconds.
const MAX_LIFETIME: u64 = 7 * 86_400;
/// How long before it expires a token is no longer used, at most: a request takes its time to get there.
const MARGIN: Duration = Duration::from_secs(5);

/// Lifetimes, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    /// How long before it expires a token is replaced.
    pub(super) refresh_ahead: u64,
    /// That of a token of which the server does not say it.
    pub(super) otherwise: u64,
}

/// Fetches tokens.
#[derive(Debug)]
pub(super) struct Fetching {
    endpoint: Endpoint,
    parameters: Box<[(&'static str, String)]>,
    lifetimes: Lifetimes,
    tokens: Arc<Tokens>,
}

impl Fetching {
    pub(super) const fn new(
        endpoint: Endpoint,
        parameters: Box<[(&'static str, String)]>,
        lifetimes: Lifetimes,
        tokens: Arc<Tokens>,
    ) -> Self {
        Self {
            endpoint,
            parameters,
            lifetimes,
            tokens,
        }
    }

    /// The present token, if it can be used. Where it is time for the next one, has that fetched beside the requests.
    pub(super) fn present(&self) -> Option<Arc<Token>> {
        let now = Instant::now();
        let token = self.tokens.present(now)?;
        if now >= token.refresh
            && let Ok(flight) = self.flight(now)
            // Begins it, or sees that it has come. The present token is good meanwhile.
            && let Some(fetched) = flight.clone().now_or_never()
        {
            self.tokens.landed(&flight, &fetched, now);
        }
        Some(token)
    }

    /// A token, once it is there.
    pub(super) async fn fetch(&self) -> Fetched {
        let now = Instant::now();
        if let Some(token) = self.tokens.present(now) {
            return Ok(token);
        }
        let flight = self.flight(now)?;
        let fetched = flight.clone().await;
        self.tokens.landed(&flight, &fetched, Instant::now());
        fetched
    }

    fn flight(&self, now: Instant) -> Result<Flight, Failure> {
        self.tokens.flight(now, || {
            let parameters = self
                .parameters
                .iter()
                .map(|(name, value)| (*name, &**value));
            let parameters: Vec<(&str, &str)> = parameters.collect();
            let (asked, lifetimes) = (self.endpoint.ask(&parameters), self.lifetimes);
            Box::pin(async move { read(&asked.await?, lifetimes, now) })
        })
    }
}

impl Renewal for Fetching {
    fn renew<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let Some(refused) = headers.get(AUTHORIZATION).cloned() else {
                return false;
            };
            if !self.tokens.refused(&refused, Instant::now()) {
                return false;
            }
            match self.fetch().await {
                Ok(token) if token.field != refused => {
                    headers.insert(AUTHORIZATION, token.field.clone());
                    true
                }
                Ok(_) | Err(_) => false,
            }
        })
    }
}

/// The token of an answer (RFC 6749 section 5.1), asked for at this time.
fn read(answer: &Map<String, Value>, lifetimes: Lifetimes, began: Instant) -> Fetched {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (Some(token), Some(kind)) = (text("access_token"), text("token_type")) else {
        return Err(Failure::Nonsense);
    };
    let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || token.len() > MAX_TOKEN_BYTES || !kind.eq_ignore_ascii_case("bearer") {
        return Err(Failure::Nonsense);
    }
    let seconds = match answer.get("expires_in") {
        None | Some(Value::Null) => lifetimes.otherwise,
        // Some servers write it as a text.
        Some(Value::String(text)) => text.parse().map_err(|_| Failure::Nonsense)?,
        Some(value) => value.as_u64().ok_or(Failure::Nonsense)?,
    };
    let lifetime = Duration::from_secs(seconds.min(MAX_LIFETIME));
    let ahead = Duration::from_secs(lifetimes.refresh_ahead).min(lifetime / 2);
    let margin = MARGIN.min(lifetime / 10);
    let field = HeaderValue::try_from(format!("Bearer {token}"));
    let mut field = field.map_err(|_| Failure::Nonsense)?;
    field.set_sensitive(true);
    Ok(Arc::new(Token {
        field,
        began,
        refresh: began + (lifetime - ahead.max(margin)),
        expires: began + (lifetime - margin),
    }))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::{Value, json};

    use super::{Failure, Lifetimes, read};

    #[test]
    fn a_token_is_replaced_ahead_of_its_end_and_nonsense_is_none() {
        let lifetimes = Lifetimes {
            refresh_ahead: 30,
            otherwise: 100,
        };
        let began = Instant::now();
        let read = |answer: &Value| read(answer.as_object().unwrap(), lifetimes, began);
        let good = json!({"access_token": "t", "token_type": "bearer"});
        let cases = [
            (json!(3600), 3570, 3595),
            (json!("3600"), 3570, 3595),
            (json!(20), 10, 18),
            (Value::Null, 70, 95),
            (json!(u64::MAX), 7 * 86_400 - 30, 7 * 86_400 - 5),
        ];
        for (expires, refresh, end) in cases {
            let mut answer = good.clone();
            answer["expires_in"] = expires;
            let token = read(&answer).unwrap();
            assert_eq!(token.field, "Bearer t");
            assert_eq!(token.refresh - began, Duration::from_secs(refresh));
            assert_eq!(token.expires - began, Duration::from_secs(end));
        }
        let nonsense = [
            ("access_token", json!("")),
            ("access_token", json!("a b")),
            ("access_token", json!("a\r\nX: y")),
            ("access_token", json!(7)),
            ("access_token", json!("a".repeat(20_000))),
            ("token_type", json!("DPoP")),
            ("token_type", Value::Null),
            ("expires_in", json!(-1)),
            ("expires_in", json!("soon")),
        ];
        for (name, value) in nonsense {
            let mut answer = good.clone();
            answer[name] = value;
            assert_eq!(read(&answer).unwrap_err(), Failure::Nonsense, "{answer}");
        }
    }
}

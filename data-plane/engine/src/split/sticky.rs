//! What keeps a caller at one service.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Asked, rendezvous::Caller};

/// Digits of the value of a cookie.
const DIGITS: usize = 16;

/// What keeps a caller at one service.
#[derive(Debug)]
pub(crate) enum Sticky {
    Consumer,
    Header(HeaderName),
    Cookie(CookieRule),
}

/// A cookie that this gateway makes. Its value is a number of the caller, not the name of a service: weights
/// go on to mean something, and nobody learns of services.
#[derive(Debug)]
pub(crate) struct CookieRule {
    pub(crate) name: Box<str>,
    /// None lasts as long as the client's session.
    pub(crate) max_age_seconds: Option<u32>,
}

impl Sticky {
    /// Who is to stay, and the cookie where it needs one.
    pub(super) fn caller(
        &self,
        asked: &Asked<'_>,
        random: u64,
    ) -> (Option<Caller>, Option<HeaderValue>) {
        match self {
            Self::Consumer => {
                let name = asked.consumer.map(str::as_bytes);
                (name.map(Caller::named), None)
            }
            Self::Header(name) => {
                let value = asked.headers.get(name).map(HeaderValue::as_bytes);
                let value = value.filter(|value| !value.is_empty());
                (value.map(Caller::named), None)
            }
            Self::Cookie(rule) => match rule.read(asked.headers) {
                Some(number) => (Some(Caller(number)), None),
                None => (Some(Caller(random)), rule.write(random, asked.secure)),
            },
        }
    }
}

impl CookieRule {
    /// The number in it; none where it is not there, or not one of ours.
    fn read(&self, headers: &HeaderMap) -> Option<u64> {
        let fields = headers.get_all(header::COOKIE).iter();
        let pieces = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
        let mut values = pieces.filter_map(|piece| {
            let piece = piece.trim_ascii().strip_prefix(self.name.as_bytes())?;
            std::str::from_utf8(piece.strip_prefix(b"=")?).ok()
        });
        let digits = |text: &&str| text.len() == DIGITS && !text.starts_with('+');
        let text = values.find(digits)?;
        u64::from_str_radix(text, 16).ok()
    }

    fn write(&self, number: u64, secure: bool) -> Option<HeaderValue> {
        let mut text = format!(
            "{}={number:016x}; Path=/; HttpOnly; SameSite=Lax",
            self.name
        );
        if let Some(seconds) = self.max_age_seconds {
            // Writing to a string does not fail.
            let _ = write!(text, "; Max-Age={seconds}");
        }
        if secure {
            text.push_str("; Secure");
        }
        HeaderValue::try_from(text).ok()
    }
}

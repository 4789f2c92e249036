//! Where in a request the token may be, and how it is hidden.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;

use super::settings::Settings;
use crate::{RequestContext, plugin::InvalidSetting};

/// Most names of one kind of source.
const MAX_SOURCES: usize = 16;
/// What a cookie's name cannot have (RFC 6265 section 4.1.1), besides controls.
const NOT_IN_COOKIE_NAME: &[char] = &['=', ';', ',', ' ', '"', '\\'];

/// Where the token may be.
#[derive(Debug, Default)]
pub(super) struct Sources {
    headers: Vec<HeaderName>,
    query: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
}

/// The tokens of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent<'r> {
    Nothing,
    /// One; the same one several times is one.
    One(Cow<'r, str>),
    Several,
}

impl<'r> Sent<'r> {
    fn take(&mut self, token: Cow<'r, str>) {
        match self {
            Self::Nothing => *self = Self::One(token),
            Self::One(first) if *first == token => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

impl Sources {
    pub(super) fn compile(settings: &Settings, mistakes: &mut Vec<InvalidSetting>) -> Self {
        let mut sources = Self::default();
        let lists = [
            ("headers", &settings.headers),
            ("query", &settings.query),
            ("cookies", &settings.cookies),
        ];
        for (list, names) in lists {
            if names.len() > MAX_SOURCES {
                let reason = format!("has more than {MAX_SOURCES} names");
                mistakes.push(InvalidSetting::new(list, reason));
            }
            for (index, name) in names.iter().enumerate() {
                if !sources.add(list, name) {
                    let field = format!("{list}[{index}]");
                    let reason = format!("`{name}` is not a name that can be used here");
                    mistakes.push(InvalidSetting::new(field, reason));
                }
            }
        }
        if lists.iter().all(|(_, names)| names.is_empty()) {
            let reason = "name at least one header, query parameter or cookie";
            mistakes.push(InvalidSetting::new("headers", reason));
        }
        sources
    }

    fn add(&mut self, list: &str, name: &str) -> bool {
        match list {
            "headers" => match HeaderName::from_bytes(name.as_bytes()) {
                // Hiding the token would take all cookies with it.
                Ok(name) if name != header::COOKIE && name != header::HOST => {
                    self.headers.push(name);
                }
                Ok(_) | Err(_) => return false,
            },
            "query" if !name.is_empty() => self.query.push(name.into()),
            "cookies" if !name.is_empty() && !name.contains(NOT_IN_COOKIE_NAME) => {
                self.cookies.push(name.into());
            }
            _ => return false,
        }
        true
    }

    pub(super) fn find<'r>(&self, request: &'r RequestContext) -> Sent<'r> {
        let mut sent = Sent::Nothing;
        for name in &self.headers {
            for value in request.headers.get_all(name) {
                if let Some(token) = of_field(name, value) {
                    sent.take(Cow::Borrowed(token));
                }
            }
        }
        if let Some(query) = request.query.as_deref().filter(|_| !self.query.is_empty()) {
            for (_, value) in query.split('&').filter_map(|pair| self.parameter(pair)) {
                sent.take(percent_decode_str(value).decode_utf8_lossy());
            }
        }
        if !self.cookies.is_empty() {
            for line in request.headers.get_all(header::COOKIE) {
                let pairs = line.to_str().unwrap_or_default().split(';');
                for token in pairs.filter_map(|pair| self.cookie(pair)) {
                    sent.take(Cow::Borrowed(token));
                }
            }
        }
        sent
    }

    /// Takes tokens out. Of `Authorization`, another scheme's credential stays.
    pub(super) fn hide(&self, request: &mut RequestContext) {
        for name in &self.headers {
            if *name == header::AUTHORIZATION {
                let values = request.headers.get_all(name).iter();
                let others = values.filter(|value| of_field(name, value).is_none());
                let others: Vec<HeaderValue> = others.cloned().collect();
                request.headers.remove(name);
                for value in others {
                    request.headers.append(name.clone(), value);
                }
            } else {
                request.headers.remove(name);
            }
        }
        if let Some(query) = request.query.as_deref().filter(|_| !self.query.is_empty()) {
            let kept = query
                .split('&')
                .filter(|pair| self.parameter(pair).is_none());
            let kept = kept.collect::<Vec<_>>().join("&");
            request.query = Some(kept).filter(|it| !it.is_empty());
        }
        if !self.cookies.is_empty() {
            self.hide_cookies(&mut request.headers);
        }
    }

    /// Name and value, both still encoded, if it is one that may carry the token.
    fn parameter<'q>(&self, pair: &'q str) -> Option<(&'q str, &'q str)> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain: Cow<'_, [u8]> = percent_decode_str(name).into();
        let carries = self.query.iter().any(|it| it.as_bytes() == &*plain);
        carries.then_some((name, value))
    }

    /// Its value, if it is one that may carry the token.
    fn cookie<'c>(&self, pair: &'c str) -> Option<&'c str> {
        let (name, value) = pair.split_once('=')?;
        let carries = self.cookies.iter().any(|it| **it == *name.trim());
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        carries.then_some(unquoted.unwrap_or(value))
    }

    fn hide_cookies(&self, headers: &mut HeaderMap) {
        let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
        headers.remove(header::COOKIE);
        for line in lines {
            let Ok(text) = line.to_str() else {
                // No token was found in it.
                headers.append(header::COOKIE, line);
                continue;
            };
            let kept = text.split(';').map(str::trim);
            let kept = kept.filter(|pair| !pair.is_empty() && self.cookie(pair).is_none());
            let kept = kept.collect::<Vec<_>>().join("; ");
            if let Ok(value) = HeaderValue::from_str(&kept)
                && !kept.is_empty()
            {
                headers.append(header::COOKIE, value);
            }
        }
    }
}

/// The token of a field: in `Authorization` after `Bearer` (RFC 6750 section 2.1), in others with or without that.
fn of_field<'v>(name: &HeaderName, value: &'v HeaderValue) -> Option<&'v str> {
    let text = match value.to_str() {
        Ok(text) => text.trim(),
        // Not a token, and yet something that was sent as one.
        Err(_) => return (*name != header::AUTHORIZATION).then_some(""),
    };
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        _ if text.eq_ignore_ascii_case("bearer") => Some(""),
        _ => None,
    };
    match *name == header::AUTHORIZATION {
        true => token,
        false => Some(token.unwrap_or(text)),
    }
}

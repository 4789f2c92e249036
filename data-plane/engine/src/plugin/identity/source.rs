//! Where in a request a credential may be: header fields, query parameters and cookies; and how it is hidden.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;

use crate::{RequestContext, cookie, plugin::InvalidSetting};

/// Most names of one kind of source.
const MAX_SOURCES: usize = 16;
/// What a cookie's name cannot have (RFC 6265 section 4.1.1), besides controls.
const NOT_IN_COOKIE_NAME: &[char] = &['=', ';', ',', ' ', '"', '\\'];

/// Where a credential may be.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Sources {
    headers: Vec<HeaderName>,
    query: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
}

impl Sources {
    /// From the settings of these names.
    pub(in crate::plugin) fn compile(
        lists: [(&'static str, &[String]); 3],
        mistakes: &mut Vec<InvalidSetting>,
    ) -> Self {
        let mut sources = Self::default();
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
                // Hiding the credential would take all cookies with it.
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

    /// Shows all that may be a credential: values of header fields as `of_field` reads them, those of parameters
    /// decoded, those of cookies without quotes.
    pub(in crate::plugin) fn each<'r>(
        &self,
        request: &'r RequestContext,
        of_field: impl Fn(&HeaderName, &'r HeaderValue) -> Option<&'r [u8]>,
        mut found: impl FnMut(Cow<'r, [u8]>),
    ) {
        for name in &self.headers {
            for value in request.headers.get_all(name) {
                if let Some(value) = of_field(name, value) {
                    found(Cow::Borrowed(value));
                }
            }
        }
        if let Some(query) = request.query.as_deref().filter(|_| !self.query.is_empty()) {
            for value in query.split('&').filter_map(|pair| self.parameter(pair)) {
                found(decoded(value));
            }
        }
        if !self.cookies.is_empty() {
            for line in request.headers.get_all(header::COOKIE) {
                let pairs = line.as_bytes().split(|byte| *byte == b';');
                for value in pairs.filter_map(|pair| self.cookie(pair)) {
                    found(Cow::Borrowed(value));
                }
            }
        }
    }

    /// Takes out what may be a credential. Fields in which `of_field` reads none stay.
    pub(in crate::plugin) fn hide(
        &self,
        request: &mut RequestContext,
        of_field: impl for<'v> Fn(&HeaderName, &'v HeaderValue) -> Option<&'v [u8]>,
    ) {
        for name in &self.headers {
            let values = request.headers.get_all(name).iter();
            let others = values.filter(|value| of_field(name, value).is_none());
            let others: Vec<HeaderValue> = others.cloned().collect();
            request.headers.remove(name);
            for value in others {
                request.headers.append(name.clone(), value);
            }
        }
        if !self.query.is_empty() {
            self.hide_parameters(&mut request.query);
        }
        if !self.cookies.is_empty() {
            let carries = |name: &[u8]| self.cookies.iter().any(|it| it.as_bytes() == name);
            cookie::retain(&mut request.headers, |name| !carries(name));
        }
    }

    /// Its value, still encoded, if it is a parameter that may carry the credential.
    fn parameter<'q>(&self, pair: &'q str) -> Option<&'q str> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = decoded(name);
        let carries = self.query.iter().any(|it| it.as_bytes() == &*plain);
        carries.then_some(value)
    }

    /// Its value, if it is a cookie that may carry the credential.
    fn cookie<'c>(&self, pair: &'c [u8]) -> Option<&'c [u8]> {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|it| it.strip_suffix(b"\""));
        let carries = self.cookies.iter().any(|it| it.as_bytes() == name);
        carries.then_some(unquoted.unwrap_or(value))
    }

    fn hide_parameters(&self, query: &mut Option<String>) {
        let Some(text) = query.as_deref() else {
            return;
        };
        let stays = |pair: &&str| self.parameter(pair).is_none();
        if text.split('&').all(|pair| stays(&pair)) {
            return;
        }
        let kept: Vec<&str> = text.split('&').filter(stays).collect();
        *query = (!kept.is_empty()).then(|| kept.join("&"));
    }
}

/// As in a form: `+` is a space, `%2B` a plus. Allocates only where something is encoded.
fn decoded(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).collect());
    }
    percent_decode_str(text).into()
}

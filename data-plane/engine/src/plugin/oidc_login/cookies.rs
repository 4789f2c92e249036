//! The cookies of a plugin: their names, what is in them, and how they are set and taken away.
//!
//! A session that is too long for one cookie is divided among several; the first says how many there are. When it was
//! last used is in a cookie of its own, so that what changes often is never written over what a refresh has changed. Each
//! login that has begun has a cookie of its own too, so that several tabs can log in at once.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::cookie::{self, Cookie};

/// What browsers refuse to take from plain http, from another host or for a part of the paths (RFC 6265bis,
/// section 4.1.3.2).
const PREFIX: &str = "__Host-";
/// Most characters of a session in one cookie: browsers take 4,096 bytes with the name.
const PART_BYTES: usize = 3800;
/// What stands before the name of a login's cookie.
const LOGIN: &str = "-login-";
/// Name of the cookie that says when a session was last used.
const SEEN: &str = "-seen";

/// Fields for a browser.
pub(super) type Fields = Vec<(HeaderName, HeaderValue)>;

/// How a plugin's cookies are.
#[derive(Debug)]
pub(super) struct Cookies {
    /// The name of the session's, and how those of all others begin.
    base: Box<str>,
    secure: bool,
    /// How long browsers keep a session; none until they are closed.
    ttl: Option<Duration>,
    max_parts: usize,
}

/// A session as a browser sends it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// All that it is told by: the session, and when it was last used.
    pub(super) session: String,
    pub(super) seen: Option<String>,
    /// How many cookies it was in.
    pub(super) parts: usize,
}

impl Cookies {
    pub(super) fn new(name: &str, secure: bool, ttl: Option<Duration>, max_parts: usize) -> Self {
        let prefix = if secure { PREFIX } else { "" };
        Self {
            base: format!("{prefix}{name}").into(),
            secure,
            ttl,
            max_parts,
        }
    }

    /// The session of a request; an empty one where parts of it are missing, and none where there is nothing of it.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Sent> {
        let first = cookie::find(headers, &self.base)?;
        let seen = cookie::find(headers, &self.name(SEEN)).map(str::to_owned);
        let joined = self.joined(headers, first);
        let (session, parts) = joined.unwrap_or_default();
        Some(Sent {
            session,
            seen,
            parts,
        })
    }

    fn joined(&self, headers: &HeaderMap, first: &str) -> Option<(String, usize)> {
        let (count, first) = first.split_once('.')?;
        let count: usize = count.parse().ok()?;
        if !(1..=self.max_parts).contains(&count) {
            return None;
        }
        let mut session = first.to_owned();
        for part in 1..count {
            session.push_str(cookie::find(headers, &self.part(part))?);
        }
        Some((session, count))
    }

    /// Sets a session in place of one of `before` parts; none where it is too long for as many cookies as are allowed.
    pub(super) fn set_session(&self, sealed: &str, before: usize) -> Option<Fields> {
        let parts: Vec<&[u8]> = sealed.as_bytes().chunks(PART_BYTES).collect();
        if parts.len() > self.max_parts {
            return None;
        }
        let mut fields = Fields::new();
        for (place, part) in parts.iter().enumerate() {
            let part = str::from_utf8(part).ok()?;
            let (name, value) = match place {
                0 => (self.base.to_string(), format!("{}.{part}", parts.len())),
                _ => (self.part(place), part.to_owned()),
            };
            fields.push(self.set(&name, &value, self.ttl)?);
        }
        fields.extend((parts.len()..before).filter_map(|place| self.unset(&self.part(place))));
        Some(fields)
    }

    /// Sets when a session was last used.
    pub(super) fn set_seen(&self, sealed: &str) -> Option<(HeaderName, HeaderValue)> {
        self.set(&self.name(SEEN), sealed, self.ttl)
    }

    /// The cookie of a login.
    pub(super) fn login<'h>(&self, headers: &'h HeaderMap, id: &str) -> Option<&'h str> {
        cookie::find(headers, &self.name(&format!("{LOGIN}{id}")))
    }

    /// Sets the cookie of a login.
    pub(super) fn set_login(
        &self,
        id: &str,
        sealed: &str,
        ttl: Duration,
    ) -> Option<(HeaderName, HeaderValue)> {
        self.set(&self.name(&format!("{LOGIN}{id}")), sealed, Some(ttl))
    }

    /// Takes the cookie of a login away.
    pub(super) fn unset_login(&self, id: &str) -> Option<(HeaderName, HeaderValue)> {
        self.unset(&self.name(&format!("{LOGIN}{id}")))
    }

    /// The cookies of all logins that have begun: their ids, and what is in them.
    pub(super) fn logins<'h>(&self, headers: &'h HeaderMap) -> Vec<(&'h str, &'h str)> {
        let before = self.name(LOGIN);
        let texts = cookie::each(headers).filter_map(|(name, value)| {
            let name = str::from_utf8(name).ok()?;
            Some((name, str::from_utf8(value).ok()?))
        });
        let logins = texts.filter_map(|(name, value)| Some((name.strip_prefix(&before)?, value)));
        logins.collect()
    }

    /// Takes all cookies of a request away that are the plugin's.
    pub(super) fn unset_all(&self, headers: &HeaderMap) -> Fields {
        let names = cookie::each(headers).filter(|(name, _)| self.is_own(name));
        let names = names.filter_map(|(name, _)| str::from_utf8(name).ok());
        names.filter_map(|name| self.unset(name)).collect()
    }

    /// Takes all cookies that are the plugin's out of what is forwarded.
    pub(super) fn hide(&self, headers: &mut HeaderMap) {
        cookie::retain(headers, |name| !self.is_own(name));
    }

    fn is_own(&self, name: &[u8]) -> bool {
        let Some(rest) = name.strip_prefix(self.base.as_bytes()) else {
            return false;
        };
        let part = |rest: &[u8]| matches!(rest, [b'-', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
        rest.is_empty()
            || rest == SEEN.as_bytes()
            || rest.starts_with(LOGIN.as_bytes())
            || part(rest)
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.base)
    }

    fn part(&self, place: usize) -> String {
        format!("{}-{place}", self.base)
    }

    fn set(
        &self,
        name: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let field = self.cookie(name, ttl).set(value, self.secure)?;
        Some((header::SET_COOKIE, field))
    }

    fn unset(&self, name: &str) -> Option<(HeaderName, HeaderValue)> {
        let field = self.cookie(name, None).unset(self.secure)?;
        Some((header::SET_COOKIE, field))
    }

    fn cookie(&self, name: &str, ttl: Option<Duration>) -> Cookie {
        Cookie {
            name: name.into(),
            ttl,
            path: "/".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{Cookies, Fields, PART_BYTES, Sent};

    fn cookies(max_parts: usize) -> Cookies {
        Cookies::new("s", true, None, max_parts)
    }

    /// What a browser sends that was sent this.
    fn kept(fields: &Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (_, field) in fields {
            let pair = field.to_str().unwrap().split(';').next().unwrap();
            headers.append(header::COOKIE, HeaderValue::from_str(pair).unwrap());
        }
        headers
    }

    #[test]
    fn a_long_session_is_divided_and_put_together_again() {
        let cookies = cookies(3);
        let long: String = "abc".chars().cycle().take(PART_BYTES * 2 + 1).collect();
        let fields = cookies.set_session(&long, 0).unwrap();
        assert_eq!(fields.len(), 3);
        assert!(fields.iter().all(|(_, it)| it.len() < 4096));
        let sent = cookies.session(&kept(&fields)).unwrap();
        assert_eq!((sent.session, sent.parts), (long.clone(), 3));
        assert!(cookies.set_session(&long.repeat(2), 0).is_none());
        let shorter = cookies.set_session("short", 3).unwrap();
        let texts: Vec<&str> = shorter.iter().map(|(_, it)| it.to_str().unwrap()).collect();
        let all = "Path=/; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(texts[0], format!("__Host-s=1.short; {all}"));
        let gone = "Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(texts[1], format!("__Host-s-1=; {gone}"));
        assert_eq!(texts[2], format!("__Host-s-2=; {gone}"));
    }

    #[test]
    fn a_session_with_parts_missing_is_none_that_can_be_read() {
        let cookies = cookies(3);
        for sent in ["2.a", "0.a", "4.a", "a", ".", "18446744073709551616.a", ""] {
            let mut headers = HeaderMap::new();
            let field = format!("x=1; __Host-s={sent}; __Host-s-seen=b");
            headers.append(header::COOKIE, HeaderValue::from_str(&field).unwrap());
            let expected = Sent {
                session: String::new(),
                seen: Some("b".to_owned()),
                parts: 0,
            };
            assert_eq!(cookies.session(&headers), Some(expected), "{sent}");
        }
        assert_eq!(cookies.session(&HeaderMap::new()), None);
    }

    #[test]
    fn only_its_own_cookies_are_hidden_and_taken_away() {
        let (cookies, mut headers) = (cookies(3), HeaderMap::new());
        let field =
            "a=1; __Host-s=2; __Host-s-1=3; __Host-s-seen=4; __Host-s-login-x=5; __Host-s-x=6; s=7";
        headers.append(header::COOKIE, HeaderValue::from_static(field));
        assert_eq!(cookies.logins(&headers), [("x", "5")]);
        assert_eq!(cookies.unset_all(&headers).len(), 4);
        cookies.hide(&mut headers);
        assert_eq!(headers[header::COOKIE], "a=1; __Host-s-x=6; s=7");
    }
}

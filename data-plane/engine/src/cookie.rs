//! Cookies that the gateway itself reads and sets (RFC 6265).

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderValue, header};

/// A cookie that the gateway sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name: a token of RFC 9110.
    pub name: Box<str>,
    /// How long the client keeps it; zero is until it is closed. None: it is not set, only read.
    pub ttl: Option<Duration>,
    /// The paths it is for.
    pub path: Box<str>,
}

impl Cookie {
    /// The field that sets it. Scripts cannot read it, other sites' forms do not send it.
    pub fn set(&self, value: &str, secure: bool) -> Option<HeaderValue> {
        let mut text = format!("{}={value}; Path={}", self.name, self.path);
        if let Some(ttl) = self.ttl.filter(|ttl| !ttl.is_zero()) {
            // Writing to a string does not fail.
            let _ = write!(text, "; Max-Age={}", ttl.as_secs().max(1));
        }
        text.push_str("; HttpOnly; SameSite=Lax");
        if secure {
            text.push_str("; Secure");
        }
        HeaderValue::try_from(text).ok()
    }
}

/// The value of the first cookie of this name.
pub fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let fields = headers.get_all(header::COOKIE).iter();
    let texts = fields.filter_map(|field| field.to_str().ok());
    let mut pairs = texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(its, _)| *its == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("ab=1; a=2;b=x=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=3; a=4"));
        assert_eq!(find(&headers, "a"), Some("2"));
        assert_eq!(find(&headers, "b"), Some("x=y"));
        assert_eq!(find(&headers, "c"), Some("3"));
        assert_eq!(find(&headers, "d"), None);
    }

    #[test]
    fn a_cookie_says_how_long_and_to_whom() {
        let mut cookie = Cookie {
            name: "a".into(),
            ttl: Some(Duration::from_secs(60)),
            path: "/x".into(),
        };
        let set = |cookie: &Cookie, secure| cookie.set("1", secure).unwrap();
        assert_eq!(
            set(&cookie, true),
            "a=1; Path=/x; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        cookie.ttl = Some(Duration::ZERO);
        assert_eq!(set(&cookie, false), "a=1; Path=/x; HttpOnly; SameSite=Lax");
    }
}

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

    /// The field that takes it away.
    pub fn unset(&self, secure: bool) -> Option<HeaderValue> {
        let mut text = format!("{}=; Path={}; Max-Age=0", self.name, self.path);
        text.push_str("; HttpOnly; SameSite=Lax");
        if secure {
            text.push_str("; Secure");
        }
        HeaderValue::try_from(text).ok()
    }
}

/// Names and values of all cookies, in their order.
pub fn each(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = headers.get_all(header::COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()))
    })
}

/// Takes out the cookies whose names are not to be kept. What is no cookie stays as long as none is taken out.
pub fn retain(headers: &mut HeaderMap, keep: impl Fn(&[u8]) -> bool) {
    if each(headers).all(|(name, _)| keep(name)) {
        return;
    }
    let mut kept: Vec<u8> = Vec::new();
    for (name, value) in each(headers).filter(|(name, _)| keep(name)) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(name);
        kept.push(b'=');
        kept.extend_from_slice(value);
    }
    headers.remove(header::COOKIE);
    if let Ok(value) = HeaderValue::from_bytes(&kept)
        && !kept.is_empty()
    {
        headers.insert(header::COOKIE, value);
    }
}

/// The value of the first cookie of this name.
pub fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut all = each(headers);
    let (_, value) = all.find(|(its, _)| *its == name.as_bytes())?;
    str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("ab=1; a=2;b=x=y"));
        let other = HeaderValue::from_bytes(b"n=\xe9; c=3; a=4").unwrap();
        headers.append(header::COOKIE, other);
        assert_eq!(find(&headers, "a"), Some("2"));
        assert_eq!(find(&headers, "b"), Some("x=y"));
        assert_eq!(find(&headers, "c"), Some("3"));
        assert_eq!(find(&headers, "d"), None);
        retain(&mut headers, |name| name != b"a" && name != b"n");
        assert_eq!(headers[header::COOKIE], "ab=1; b=x=y; c=3");
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

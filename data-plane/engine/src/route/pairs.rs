//! Names and values: of a query, a form, or cookies.

use std::borrow::Cow;

use http::{HeaderMap, header};
use percent_encoding::percent_decode;

type Bytes<'a> = Cow<'a, [u8]>;

/// Pairs in order of name, so that finding one costs the same however many a client sends.
#[derive(Debug)]
pub(super) struct Pairs<'a>(Vec<(Bytes<'a>, Bytes<'a>)>);

impl<'a> Pairs<'a> {
    /// Of a query or a form: decoded once, `+` as a space (WHATWG URL, 5.1). An escape that is
    /// broken stands for itself.
    pub(super) fn of_form(text: &'a [u8]) -> Self {
        let pieces = text.split(|byte| *byte == b'&');
        let pieces = pieces.filter(|piece| !piece.is_empty());
        Self::sorted(pieces.map(|piece| {
            let (name, value) = split(piece, b'=').unwrap_or((piece, b""));
            (decoded(name), decoded(value))
        }))
    }

    /// Of all `Cookie` fields, as they were sent (RFC 6265, 4.2.1); what has no `=` is none.
    pub(super) fn of_cookies(headers: &'a HeaderMap) -> Self {
        let fields = headers.get_all(header::COOKIE).iter();
        let pieces = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
        Self::sorted(pieces.filter_map(|piece| {
            let (name, value) = split(piece, b'=')?;
            Some((name.trim_ascii().into(), value.trim_ascii().into()))
        }))
    }

    fn sorted(pairs: impl Iterator<Item = (Bytes<'a>, Bytes<'a>)>) -> Self {
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort();
        Self(pairs)
    }

    /// The values of a name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let from = self.0.partition_point(|(it, _)| **it < *name.as_bytes());
        let same = self.0[from..].iter();
        same.take_while(move |(it, _)| **it == *name.as_bytes())
            .map(|(_, value)| &**value)
    }
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((&text[..place], &text[place + 1..]))
}

fn decoded(text: &[u8]) -> Bytes<'_> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Cow::Owned(percent_decode(&spaced).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, name: &str) -> Vec<String> {
        let pairs = Pairs::of_form(text.as_bytes());
        let lossy = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        pairs.values(name).map(lossy).collect()
    }

    #[test]
    fn a_query_is_decoded_once() {
        assert_eq!(values("a=1&b=2&a=0", "a"), ["0", "1"]);
        assert_eq!(values("a=x+y%20z%2B", "a"), ["x y z+"]);
        assert_eq!(values("a=%2541", "a"), ["%41"]);
        assert_eq!(values("%61%20b=1", "a b"), ["1"]);
        assert_eq!(values("a&&b=", "a"), [""]);
        assert_eq!(values("a&b=", "b"), [""]);
        assert_eq!(values("a=b=c", "a"), ["b=c"]);
        assert_eq!(values("a=%zz%4", "a"), ["%zz%4"]);
        assert_eq!(values("=1", ""), ["1"]);
        assert!(values("", "").is_empty());
        assert!(values("A=1;a=2", "a").is_empty());
    }

    #[test]
    fn cookies_are_taken_as_they_are_sent() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=1; b=\"x%20y\";c".parse().unwrap());
        headers.append(header::COOKIE, " a = 2;;d=e=f".parse().unwrap());
        let pairs = Pairs::of_cookies(&headers);
        let values = |name| pairs.values(name).collect::<Vec<_>>();
        assert_eq!(values("a"), [b"1", b"2"]);
        assert_eq!(values("b"), [b"\"x%20y\""]);
        assert_eq!(values("d"), [b"e=f"]);
        assert!(values("c").is_empty());
    }
}

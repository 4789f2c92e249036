//! Parameters as in a form (`application/x-www-form-urlencoded`).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is escaped: all but the characters that mean nothing anywhere in a URL (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One text, escaped.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Parameters, in this order.
pub(super) fn encode(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A URL with parameters after its own.
pub(super) fn appended(url: &str, parameters: &[(&str, &str)]) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}{}", encode(parameters))
}

/// A parameter that may be there once.
///
/// # Errors
/// It is there more than once, or not UTF-8.
pub(super) fn one(query: &str, name: &str) -> Result<Option<String>, ()> {
    let mut found = None;
    for pair in query.split('&') {
        let (its, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(its).as_deref() != Some(name) {
            continue;
        }
        let value = decoded(value).ok_or(())?;
        if found.replace(value).is_some() {
            return Err(());
        }
    }
    Ok(found)
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{appended, encode, one};

    #[test]
    fn parameters_are_escaped_and_read_again() {
        let query = encode(&[("a b", "x&y=z"), ("ü", "1+1 ~-._")]);
        assert_eq!(query, "a%20b=x%26y%3Dz&%C3%BC=1%2B1%20~-._");
        assert_eq!(one(&query, "a b"), Ok(Some("x&y=z".to_owned())));
        assert_eq!(one(&query, "ü"), Ok(Some("1+1 ~-._".to_owned())));
        assert_eq!(one(&query, "b"), Ok(None));
        assert_eq!(one("a=1+2&b", "a"), Ok(Some("1 2".to_owned())));
        assert_eq!(one("a=1&%61=2", "a"), Err(()));
        assert_eq!(one("a=%ff", "a"), Err(()));
        assert_eq!(
            appended("https://a/b?c=d", &[("e", "f")]),
            "https://a/b?c=d&e=f"
        );
        assert_eq!(appended("https://a/b", &[("e", "f")]), "https://a/b?e=f");
    }
}

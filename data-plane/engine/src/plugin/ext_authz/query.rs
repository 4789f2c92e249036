//! Sets and removes parameters of a query; what is not named stays as it is written.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) fn change(query: &str, set: &[(String, String)], removed: &[String]) -> String {
    let named = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let spaced = name.replace('+', " ");
        let name: Cow<'_, str> = percent_decode_str(&spaced).decode_utf8_lossy();
        removed.iter().any(|it| *it == name) || set.iter().any(|(it, _)| *it == name)
    };
    let kept = query.split('&').filter(|it| !it.is_empty() && !named(it));
    let encoded = |text| utf8_percent_encode(text, ENCODED);
    let added = set
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let all: Vec<Cow<'_, str>> = kept
        .map(Cow::Borrowed)
        .chain(added.map(Cow::Owned))
        .collect();
    all.join("&")
}

#[cfg(test)]
mod tests {
    use super::change;

    #[test]
    fn parameters_are_found_however_they_are_written_and_cannot_break_out() {
        let set = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (query, parameters, removed, expected) in [
            ("a=1&b=2&a=3", set("a", "4"), "", "b=2&a=4"),
            ("%61=1&b=2", set("c", "d"), "a", "b=2&c=d"),
            ("x+y=1&b", vec![], "x y", "b"),
            ("", set("a", "1&admin=true"), "", "a=1%26admin%3Dtrue"),
            ("a=1", vec![], "a", ""),
        ] {
            assert_eq!(change(query, &parameters, &[removed.to_owned()]), expected);
        }
    }
}

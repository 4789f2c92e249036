//! ETag, If-Match and If-None-Match (RFC 9110 sections 8.8.3 and 13.1).

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use gatewright_proto::Version;

use crate::write::{Precondition, Tags};

/// The entity tag of a version: its hexadecimal digits in quotes.
pub(super) fn etag(version: &Version) -> HeaderValue {
    let text = format!("\"{version}\"");
    HeaderValue::try_from(text).expect("hexadecimal digits in quotes are a header value")
}

/// What a write requires. `If-Match` compares strongly: a weak tag is nobody's.
pub(super) fn of_write(headers: &HeaderMap) -> Precondition {
    Precondition {
        matches: tags(headers, &IF_MATCH, Comparison::Strong),
        differs: tags(headers, &IF_NONE_MATCH, Comparison::Weak),
    }
}

/// Whether a read can be answered with 304.
pub(super) fn is_known(headers: &HeaderMap, version: &Version) -> bool {
    let known = tags(headers, &IF_NONE_MATCH, Comparison::Weak);
    known.is_some_and(|tags| tags.include(Some(version)))
}

#[derive(Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

/// The tags of a field; none where it is not there. What is not a tag of ours matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> Option<Tags> {
    headers.get(name)?;
    let mut versions = Vec::new();
    for value in headers.get_all(name) {
        for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
            if tag == "*" {
                return Some(Tags::Any);
            }
            let tag = match (tag.strip_prefix("W/"), comparison) {
                (Some(tag), Comparison::Weak) => tag,
                (Some(_), Comparison::Strong) => continue,
                (None, _) => tag,
            };
            let digits = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            versions.extend(digits.and_then(Version::from_hex));
        }
    }
    Some(Tags::Listed(versions))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use gatewright_proto::Version;

    use super::{etag, is_known, of_write};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap();
        [(HeaderName::from_static(name), value)]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_write_goes_on_only_at_the_version_it_names() {
        let (mine, other) = (Version::of_bytes(b"a"), Version::of_bytes(b"b"));
        let tag = etag(&mine).to_str().unwrap().to_owned();
        for (name, value, present, holds) in [
            ("if-match", tag.clone(), Some(&mine), true),
            ("if-match", format!("\"x\", {tag}"), Some(&mine), true),
            ("if-match", tag.clone(), Some(&other), false),
            ("if-match", tag.clone(), None, false),
            ("if-match", format!("W/{tag}"), Some(&mine), false),
            ("if-match", "*".to_owned(), Some(&mine), true),
            ("if-match", "*".to_owned(), None, false),
            ("if-match", "nonsense".to_owned(), Some(&mine), false),
            ("if-none-match", "*".to_owned(), None, true),
            ("if-none-match", "*".to_owned(), Some(&mine), false),
        ] {
            let precondition = of_write(&headers(name, &value));
            assert_eq!(precondition.holds(present), holds, "{name}: {value}");
        }
        assert!(of_write(&HeaderMap::new()).holds(None));
    }

    #[test]
    fn what_the_client_knows_is_not_sent_again() {
        let version = Version::of_bytes(b"a");
        let weak = format!("W/{}", etag(&version).to_str().unwrap());
        assert!(is_known(&headers("if-none-match", &weak), &version));
        assert!(!is_known(&HeaderMap::new(), &version));
    }
}

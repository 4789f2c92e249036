//! Header fields out of a head, without copying their values.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads parsed fields into a map; values share the head's memory.
///
/// # Errors
/// A name or value that is not one.
pub(super) fn map(
    head: &Bytes,
    fields: &[httparse::Header<'_>],
) -> Result<HeaderMap, &'static str> {
    let mut map = HeaderMap::with_capacity(fields.len() + 8);
    for field in fields {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "an invalid header name")?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value))
            .map_err(|_| "an invalid header value")?;
        map.append(name, value);
    }
    Ok(map)
}

/// Whether a list field has this word, without regard to case.
pub(super) fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let words = value.as_bytes().split(|byte| *byte == b',');
        words
            .into_iter()
            .any(|it| it.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    })
}

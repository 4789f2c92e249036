//! Types of content, as in `Content-Type` (RFC 9110, 8.3.1).

use http::{HeaderMap, header};

/// A type that is allowed: `application/json`, or `image/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    kind: Box<str>,
    /// None for any.
    subtype: Option<Box<str>>,
}

impl Media {
    /// Reads one; none for what is not one. Parameters are not part of it.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (kind, subtype) = text.split_once('/')?;
        let is_token = |text: &str| {
            let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !text.is_empty() && text.bytes().all(in_token)
        };
        let any = subtype == "*";
        (is_token(kind) && (any || is_token(subtype))).then(|| Self {
            kind: kind.into(),
            subtype: (!any).then(|| subtype.into()),
        })
    }

    /// Whether a type, without parameters, is one of these.
    pub(super) fn includes(&self, (kind, subtype): (&str, &str)) -> bool {
        let same = |it: &str| it.eq_ignore_ascii_case(subtype);
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.as_deref().is_none_or(same)
    }
}

/// The type that a body is said to have, without parameters; none where that is missing, said twice or
/// no type.
pub(super) fn of(headers: &HeaderMap) -> Option<(&str, &str)> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let essence = value.split_once(';').map_or(value, |(it, _)| it);
    essence.trim().split_once('/')
}

/// Whether anything that says what the body is says that it is JSON. Where it is said twice, one of them is
/// enough.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let mut types = value.as_bytes().split(|byte| *byte == b',');
        types.any(|one| {
            let essence = one.split(|byte| *byte == b';').next().unwrap_or_default();
            let essence = essence.trim_ascii().to_ascii_lowercase();
            essence.ends_with(b"/json") || essence.ends_with(b"+json")
        })
    })
}

/// Whether the body is in a content coding (RFC 9110, 8.4).
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

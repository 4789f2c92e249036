//! The token of a request.

use std::{borrow::Cow, str};

use http::{HeaderName, HeaderValue, header};

use crate::{RequestContext, plugin::identity::source::Sources};

/// The tokens of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent<'r> {
    Nothing,
    /// One; the same one several times is one.
    One(Cow<'r, [u8]>),
    Several,
}

impl<'r> Sent<'r> {
    pub(super) fn find(sources: &Sources, request: &'r RequestContext) -> Self {
        let mut sent = Self::Nothing;
        sources.each(request, of_field, |token| sent.take(token));
        sent
    }

    fn take(&mut self, token: Cow<'r, [u8]>) {
        match self {
            Self::Nothing => *self = Self::One(token),
            Self::One(first) if *first == token => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

/// The token of a field: in `Authorization` after `Bearer` (RFC 6750 section 2.1), where another scheme's credential is
/// none; in others with or without that.
pub(super) fn of_field<'v>(name: &HeaderName, value: &'v HeaderValue) -> Option<&'v [u8]> {
    let text = value.as_bytes().trim_ascii();
    let space = text.iter().position(|byte| *byte == b' ');
    let (scheme, token) = text.split_at(space.unwrap_or(text.len()));
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(token.trim_ascii());
    }
    (*name != header::AUTHORIZATION).then_some(text)
}

/// A token is ASCII (RFC 7515 section 7.1); what is not can be none, and is refused as an empty one is.
pub(super) fn text(token: &[u8]) -> &str {
    str::from_utf8(token).unwrap_or_default()
}

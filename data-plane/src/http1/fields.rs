//! Header fields out of a head, without copying their values.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::spare;

/// Which fields that codecs act on a message has: most have few of them, and those that it lacks need not
/// be looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Present {
    length: bool,
    coding: bool,
    connection: bool,
    expect: bool,
    hosts: Hosts,
}

/// How often a message says `Host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Not at all.
    #[default]
    None,
    /// Once, and says nothing by it.
    Empty,
    /// Once.
    One,
    /// Several times.
    Several,
}

impl Present {
    fn note(&mut self, name: &HeaderName, value: &[u8]) {
        self.length |= *name == header::CONTENT_LENGTH;
        self.coding |= *name == header::TRANSFER_ENCODING;
        self.connection |= *name == header::CONNECTION;
        self.expect |= *name == header::EXPECT;
        if *name == header::HOST {
            self.hosts = match self.hosts {
                Hosts::None if value.is_empty() => Hosts::Empty,
                Hosts::None => Hosts::One,
                _ => Hosts::Several,
            };
        }
    }

    /// `Content-Length` or `Transfer-Encoding`.
    pub(super) const fn has_framing(self) -> bool {
        self.length || self.coding
    }

    /// `Transfer-Encoding`.
    pub(super) const fn has_coding(self) -> bool {
        self.coding
    }

    /// `Host`.
    pub(super) const fn hosts(self) -> Hosts {
        self.hosts
    }

    /// `Connection`.
    pub(super) const fn has_connection(self) -> bool {
        self.connection
    }

    /// `Expect`.
    pub(super) const fn has_expect(self) -> bool {
        self.expect
    }
}

/// Reads parsed fields into a map; values share the head's memory.
///
/// # Errors
/// A name or value that is not one.
pub(super) fn map(
    head: &Bytes,
    fields: &[httparse::Header<'_>],
) -> Result<(HeaderMap, Present), &'static str> {
    let mut present = Present::default();
    let mut map = spare::with_room(fields.len() + 8);
    for field in fields {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "an invalid header name")?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value))
            .map_err(|_| "an invalid header value")?;
        present.note(&name, field.value);
        map.append(name, value);
    }
    Ok((map, present))
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

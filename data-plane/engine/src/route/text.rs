//! What a text must be: a query parameter, a cookie, a value in a body.

use regex::Regex;

/// What a text must be. Of several of the name, one is enough.
#[derive(Debug)]
pub(crate) enum TextRule {
    Exact(Box<str>),
    /// Anchored at both ends. What is not UTF-8 does not match.
    Regex(Regex),
    Present,
    Absent,
}

impl TextRule {
    /// Whether one of the values there are is as it must be.
    pub(super) fn holds<'v>(&self, mut values: impl Iterator<Item = &'v [u8]>) -> bool {
        match self {
            Self::Exact(wanted) => values.any(|value| value == wanted.as_bytes()),
            Self::Regex(regex) => {
                let matches = |value| std::str::from_utf8(value).is_ok_and(|it| regex.is_match(it));
                values.any(matches)
            }
            Self::Present => values.next().is_some(),
            Self::Absent => values.next().is_none(),
        }
    }
}

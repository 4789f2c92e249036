//! What of a request is not as it was said to be.

use serde::Serialize;

/// Longest pointer that is told, in bytes.
const MAX_POINTER_BYTES: usize = 512;

/// One thing that is wrong with a request, for the client to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// `body`, `path`, `query`, `header` or `cookie`.
    #[serde(rename = "in")]
    pub place: &'static str,
    /// Name of the parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// Where in the value: a JSON pointer (RFC 6901), at most 512 bytes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<Box<str>>,
    /// What is wrong. It does not repeat the value.
    pub reason: Box<str>,
}

impl Violation {
    /// Of the body, at this pointer.
    pub(crate) fn of_body(pointer: String, reason: impl Into<Box<str>>) -> Self {
        Self {
            place: "body",
            name: None,
            pointer: Some(shortened(pointer)),
            reason: reason.into(),
        }
    }

    /// Of a parameter as a whole.
    #[allow(dead_code, reason = "for descriptions of APIs")]
    pub(crate) fn of_parameter(
        place: &'static str,
        name: &str,
        reason: impl Into<Box<str>>,
    ) -> Self {
        Self {
            place,
            name: Some(shortened(name.to_owned())),
            pointer: None,
            reason: reason.into(),
        }
    }

    /// The same, of a parameter that the value is of.
    #[allow(dead_code, reason = "for descriptions of APIs")]
    pub(crate) fn within(mut self, place: &'static str, name: &str) -> Self {
        self.place = place;
        self.name = Some(name.into());
        self.pointer = self.pointer.filter(|pointer| !pointer.is_empty());
        self
    }
}

fn shortened(mut text: String) -> Box<str> {
    if text.len() > MAX_POINTER_BYTES {
        text.truncate(text.floor_char_boundary(MAX_POINTER_BYTES - '…'.len_utf8()));
        text.push('…');
    }
    text.into()
}

//! Regular expressions: compiled once for all that have the same one, and taken over from the
//! configuration before.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

/// Largest compiled regular expression, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Compiled expressions by what was written.
pub(crate) type ByText = HashMap<Box<str>, Regex>;

/// The expressions of a compilation.
pub(super) struct Patterns<'a> {
    previous: Option<&'a ByText>,
    pub(super) used: ByText,
}

impl<'a> Patterns<'a> {
    pub(super) fn new(previous: Option<&'a ByText>) -> Self {
        Self {
            previous,
            used: ByText::new(),
        }
    }

    /// The expression, to match a text from beginning to end.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn whole(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.used.get(text) {
            return Ok(known.clone());
        }
        let previous = self.previous.and_then(|it| it.get(text)).cloned();
        let regex = previous.map_or_else(|| anchored(text), Ok)?;
        self.used.insert(text.into(), regex.clone());
        Ok(regex)
    }

    /// The expression, to match anywhere in a text of several lines.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn somewhere(&mut self, text: &str) -> Result<Regex, String> {
        bounded(text).map_err(|error| format!("`{text}` is not a regular expression: {error}"))?;
        self.whole(&format!("(?s:.*)(?:{text})(?s:.*)"))
    }
}

fn anchored(text: &str) -> Result<Regex, String> {
    // Checked by itself first, so that `a)|(b` cannot get out of the group.
    bounded(text).map_err(|error| format!("`{text}` is not a regular expression: {error}"))?;
    bounded(&format!("^(?:{text})$")).map_err(|error| format!("`{text}`: {error}"))
}

fn bounded(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(MAX_BYTES).build()
}

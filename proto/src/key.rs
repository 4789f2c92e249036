//! The one way to name a resource: its kind and its name, written `route/orders`.

use std::{fmt, str::FromStr};

use crate::{Kind, Resource};

/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 253;

/// Kind and name of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its name, unique within the kind.
    pub name: String,
}

impl Key {
    /// How the name of a target begins that registered itself, and of no other target.
    pub const REGISTERED: &'static str = "registered.";

    /// Names the resource of this kind and name.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// Names this resource.
    pub fn of(resource: &Resource) -> Self {
        Self::new(resource.kind(), resource.name())
    }

    /// Checks that a name is 1 to 253 of the characters `a-z A-Z 0-9 . _ -`.
    ///
    /// # Errors
    /// A name that is empty, too long, or has another character; `.` and `..`.
    pub fn check_name(name: &str) -> Result<(), InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let long_enough = (1..=MAX_NAME_BYTES).contains(&name.len());
        if long_enough && name.bytes().all(allowed) && name != "." && name != ".." {
            Ok(())
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    /// Reads a kind from its singular or plural name.
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let named = |kind: &&Self| kind.as_str() == text || kind.plural() == text;
        Self::ALL.iter().find(named).copied().ok_or(UnknownKind)
    }
}

/// A name that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("a name is 1 to 253 of the characters a-z A-Z 0-9 . _ -")]
pub struct InvalidName;

/// A word that is not a kind.
#[derive(Debug, thiserror::Error)]
#[error("not a kind of resource")]
pub struct UnknownKind;

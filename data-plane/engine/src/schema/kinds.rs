//! Kinds of JSON values, as `type` names them.

use serde_json::Value;

use super::number;

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

const NAMES: [(&str, Kinds); 7] = [
    ("null", Kinds::NULL),
    ("boolean", Kinds::BOOLEAN),
    ("object", Kinds::OBJECT),
    ("array", Kinds::ARRAY),
    ("number", Kinds::NUMBER),
    ("integer", Kinds::INTEGER),
    ("string", Kinds::STRING),
];

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const OBJECT: Self = Self(4);
    pub(crate) const ARRAY: Self = Self(8);
    pub(crate) const INTEGER: Self = Self(16);
    /// Integers are numbers.
    pub(crate) const NUMBER: Self = Self(16 | 32);
    pub(crate) const STRING: Self = Self(64);
    pub(crate) const ALL: Self = Self(127);

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(it, _)| *it == name)
            .map(|(_, kind)| *kind)
    }

    /// The kind of a value. 1.0 is an integer.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(it) if number::is_integer(it) => Self::INTEGER,
            Value::Number(_) => Self(32),
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// Whether a value of this kind is one of them.
    pub(crate) const fn has(self, kind: Self) -> bool {
        self.0 & kind.0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// As `must be an integer or null`.
    pub(super) fn demand(self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (name, kind) in NAMES {
            let integer_of_number = kind == Self::INTEGER && self.0 & 32 != 0;
            if self.0 & kind.0 == kind.0 && !integer_of_number {
                names.push(name);
            }
        }
        let articled = names.iter().map(|name| match *name {
            "null" => "null".to_owned(),
            "object" | "array" | "integer" => format!("an {name}"),
            name => format!("a {name}"),
        });
        let articled: Vec<String> = articled.collect();
        match articled.is_empty() {
            true => "is not allowed".to_owned(),
            false => format!("must be {}", articled.join(" or ")),
        }
    }
}

//! JSON Schema: compiled once, and checked in bounded time.
//!
//! A document is compiled into an arena of [`Node`]s that refer to each other by number, so that references, cycles
//! included, cost nothing when values are checked. A check takes steps, of which there are only so many, and goes only so
//! deep: neither a schema nor a body can keep a worker busy. Regular expressions are of an engine that takes linear time.
//! Nothing is ever fetched: references lead to places in the same document.

mod check;
mod combination;
mod compile;
pub(crate) mod document;
mod equal;
mod format;
mod kinds;
mod list;
mod node;
mod number;
mod object;
mod pattern;
mod seen;
mod sort;
#[cfg(test)]
mod tests;
mod violation;

pub(crate) use check::{Bounds, Checker, Outcome};
pub(crate) use compile::Compiler;
pub(crate) use document::{Document, escape_token, resolve};
pub(crate) use kinds::Kinds;
pub(crate) use node::{Node, NodeId, Rule, Schemas};
pub use violation::Violation;

/// Which keywords there are, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Drafts 2019-09 and 2020-12, and OpenAPI 3.1.
    Modern,
    /// Drafts 4, 6 and 7: what stands beside a `$ref` does not count.
    Old,
    /// OpenAPI 3.0: likewise, and `nullable`.
    OpenApi30,
}

impl Dialect {
    /// The dialect of `$schema`; none for one that is not known.
    pub(crate) fn of(schema: &str) -> Option<Self> {
        let name = schema.trim_end_matches('#');
        let name = name.split_once("://").map_or(name, |(_, rest)| rest);
        match name {
            "json-schema.org/draft/2020-12/schema" | "json-schema.org/draft/2019-09/schema" => {
                Some(Self::Modern)
            }
            "spec.openapis.org/oas/3.1/dialect/base" => Some(Self::Modern),
            "json-schema.org/draft-07/schema"
            | "json-schema.org/draft-06/schema"
            | "json-schema.org/draft-04/schema" => Some(Self::Old),
            _ => None,
        }
    }
}

/// One mistake in a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// JSON pointer in the document.
    pub(crate) pointer: String,
    /// What is wrong.
    pub(crate) reason: String,
}

impl Mistake {
    pub(crate) fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            reason: reason.into(),
        }
    }
}

//! XML as JSON, and back.
//!
//! | XML | JSON |
//! | --- | --- |
//! | `<a>text</a>` | `{"a": "text"}`, white space and all |
//! | `<a/>` | `{"a": ""}` |
//! | `<a b="1">text</a>` | `{"a": {"@b": "1", "#text": "text"}}` |
//! | `<a><b>1</b><c>2</c></a>` | `{"a": {"b": "1", "c": "2"}}`, white space around elements left out |
//! | `<a><b>1</b><b>2</b></a>` | `{"a": {"b": ["1", "2"]}}`, also where others are between them |
//! | `<a>one<b/>two</a>` | `{"a": {"b": "", "#text": "onetwo"}}`: where in the text it was is lost |
//! | `<a xsi:nil="true"/>` | `{"a": null}` |
//! | `<x:a xmlns:x="urn:u"/>` | `{"x:a": {"@xmlns:x": "urn:u"}}`; `{"a": ""}` with [`Mapping::strip_prefixes`] |
//!
//! Comments and processing instructions are left out. A declared document type is refused, and with it all
//! entities but the five of XML.

mod name;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashSet;

use super::{Document, Untransformable};

/// The namespace of `nil` (XML Schema part 1, 2.6.2).
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// What the names of attributes begin with.
const ATTRIBUTE: char = '@';
/// The name of an element's text beside attributes or elements.
const TEXT: &str = "#text";
/// Most attributes of an element.
const MAX_ATTRIBUTES: usize = 256;
/// Deepest element, as in JSON.
const MAX_LEVELS: usize = 126;

/// How XML is told in JSON.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// Elements that are lists also where there is one, by their names from the root on: `/order/item`.
    pub lists: HashSet<Box<str>>,
    /// Leaves prefixes of namespaces out of names, and declarations of namespaces. Default false.
    pub strip_prefixes: bool,
    /// Makes `true`, `false` and numbers of text that is written as JSON would write them. Default false.
    pub infer_types: bool,
    /// The root element of JSON that is not an object with one member.
    pub root: Option<Box<str>>,
    /// Most elements. Default 100,000.
    pub max_elements: usize,
    /// Longest XML that is written, in bytes. Default 8 MiB.
    pub max_bytes: usize,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            lists: HashSet::new(),
            strip_prefixes: false,
            infer_types: false,
            root: None,
            max_elements: 100_000,
            max_bytes: 8 * 1024 * 1024,
        }
    }
}

impl Mapping {
    /// Reads XML 1.0 in UTF-8.
    ///
    /// # Errors
    /// What is not well-formed, is over a bound, declares a document type or another encoding, or
    /// uses entities; attributes that stripping prefixes gives one name.
    pub fn read(&self, body: &[u8]) -> Result<Document, Untransformable> {
        read::read(self, body)
    }

    /// Writes XML 1.0 in UTF-8, without a declaration and white space.
    ///
    /// # Errors
    /// The pointer of what XML has no place for: lists in lists, names and characters that XML does not allow,
    /// attributes that are objects or lists, more than one root; an answer over the bound.
    pub fn write(&self, document: &Document) -> Result<Vec<u8>, Untransformable> {
        write::write(self, document)
    }
}

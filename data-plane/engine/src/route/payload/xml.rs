//! Elements of XML documents, by their path from the root.
//!
//! A document is read once for all routes, into a list of bounded length and depth. There is no DTD
//! and no entity but the five that XML has: a document that declares or uses more is not matched.
//! Prefixes of namespaces are left out of names.

use std::borrow::Cow;

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use super::{super::TextRule, Broken};

/// Deepest element.
const MAX_DEPTH: usize = 64;
/// Most elements in a document.
const MAX_ELEMENTS: usize = 32_768;
/// Most attributes of an element that is matched by one.
const MAX_ATTRIBUTES: usize = 256;

/// What an element must be.
#[derive(Debug)]
pub(crate) struct XmlRule {
    pub(crate) path: XmlPath,
    pub(crate) value: TextRule,
}

/// Names of elements from the root on, and of an attribute of the last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct XmlPath {
    elements: Box<[Box<str>]>,
    attribute: Option<Box<str>>,
}

impl XmlPath {
    /// Reads `/a/b` or `/a/b/@c`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_prefix('/').ok_or("must begin with `/`")?;
        let (text, attribute) = match text.split_once("/@") {
            Some((elements, attribute)) => (elements, Some(attribute)),
            None => (text, None),
        };
        let is_name = |name: &str| {
            let odd = |it: char| it.is_whitespace() || "/@:<>&'\"=[]*()|".contains(it);
            !name.is_empty() && !name.contains(odd)
        };
        let names = || text.split('/').chain(attribute);
        if !names().all(is_name) {
            return Err("must be names without prefixes, as `/order/type` or `/order/@type`");
        }
        if text.split('/').count() > MAX_DEPTH {
            return Err("has more than 64 names");
        }
        Ok(Self {
            elements: text.split('/').map(Into::into).collect(),
            attribute: attribute.map(Into::into),
        })
    }
}

/// A document's elements, parents before children.
#[derive(Debug)]
pub(in crate::route) struct Xml<'b>(Vec<Element<'b>>);

#[derive(Debug)]
struct Element<'b> {
    /// Place of the parent; none for the root.
    parent: Option<usize>,
    depth: usize,
    start: BytesStart<'b>,
    /// Its own, without that of elements in it.
    text: String,
}

impl<'b> Xml<'b> {
    pub(in crate::route) fn parse(body: &'b [u8]) -> Result<Self, Broken> {
        let text = std::str::from_utf8(body).map_err(|_| Broken::Malformed)?;
        let mut reader = Reader::from_str(text);
        let mut reading = Reading::default();
        loop {
            match reader.read_event().map_err(|_| Broken::Malformed)? {
                Event::Start(start) => reading.open(start)?,
                Event::Empty(start) => {
                    reading.open(start)?;
                    reading.close();
                }
                Event::End(_) => reading.close(),
                Event::Text(text) => reading.text(&text.xml10_content())?,
                Event::CData(text) => reading.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let mut buffer = [0; 4];
                    let text = resolved(&reference)?.encode_utf8(&mut buffer);
                    reading.text(text)?;
                }
                Event::DocType(_) => {
                    return Err(Broken::Unclear("the body has a document type declaration"));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if reading.open.is_empty() && !reading.elements.is_empty() {
            Ok(Self(reading.elements))
        } else {
            Err(Broken::Malformed)
        }
    }

    pub(super) fn all_hold(&self, rules: &[XmlRule]) -> Result<bool, Broken> {
        for rule in rules {
            if !self.holds(rule)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds(&self, rule: &XmlRule) -> Result<bool, Broken> {
        let mut values: Vec<Cow<'_, str>> = Vec::new();
        for element in &self.0 {
            if !self.is_at(element, &rule.path.elements) {
                continue;
            }
            match &rule.path.attribute {
                None => values.push(element.text.trim().into()),
                Some(name) => values.extend(element.attribute(name)?),
            }
        }
        Ok(rule.value.holds(values.iter().map(|it| it.as_bytes())))
    }

    fn is_at(&self, element: &Element<'_>, path: &[Box<str>]) -> bool {
        let mut element = Some(element);
        path.len() == element.map_or(0, |it| it.depth)
            && path.iter().rev().all(|name| {
                let Some(present) = element else { return false };
                element = present.parent.and_then(|parent| self.0.get(parent));
                present.start.local_name().as_ref() == &**name
            })
    }
}

impl Element<'_> {
    fn attribute(&self, wanted: &str) -> Result<Option<Cow<'_, str>>, Broken> {
        let mut found = None;
        // Without its own check for names that are there twice, which takes the square of their number.
        let mut attributes = self.start.attributes();
        for (count, attribute) in attributes.with_checks(false).enumerate() {
            if count >= MAX_ATTRIBUTES {
                return Err(Broken::Unclear(
                    "the body has an element with too many attributes",
                ));
            }
            let attribute = attribute.map_err(|_| Broken::Malformed)?;
            if attribute.key.local_name().as_ref() != wanted {
                continue;
            }
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|_| Broken::Unclear("the body has an unknown entity"))?;
            if found.replace(value).is_some() {
                let reason = "the body has an attribute twice that a route asks for";
                return Err(Broken::Unclear(reason));
            }
        }
        Ok(found)
    }
}

#[derive(Default)]
struct Reading<'b> {
    elements: Vec<Element<'b>>,
    /// Places of those that are open, the root first.
    open: Vec<usize>,
}

impl<'b> Reading<'b> {
    fn open(&mut self, start: BytesStart<'b>) -> Result<(), Broken> {
        if self.open.is_empty() && !self.elements.is_empty() {
            return Err(Broken::Malformed);
        }
        if self.open.len() >= MAX_DEPTH || self.elements.len() >= MAX_ELEMENTS {
            return Err(Broken::Unclear(
                "the body has too many elements to be matched",
            ));
        }
        self.elements.push(Element {
            parent: self.open.last().copied(),
            depth: self.open.len() + 1,
            start,
            text: String::new(),
        });
        self.open.push(self.elements.len() - 1);
        Ok(())
    }

    fn close(&mut self) {
        self.open.pop();
    }

    /// Text outside of the root is white space or a mistake.
    fn text(&mut self, text: &str) -> Result<(), Broken> {
        let place = self.open.last().copied();
        match place.and_then(|place| self.elements.get_mut(place)) {
            Some(element) => element.text.push_str(text),
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => {}
            None => return Err(Broken::Malformed),
        }
        Ok(())
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<char, Broken> {
    let unknown = || Broken::Unclear("the body has an unknown entity");
    if let Some(char) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(char);
    }
    Ok(match reference.as_ref() {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return Err(unknown()),
    })
}

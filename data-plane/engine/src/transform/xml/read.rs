//! From XML to a document, element by element: no recursion.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesDecl, BytesRef, BytesStart, Event, attributes::Attribute},
};

use super::{
    ATTRIBUTE, Document, MAX_ATTRIBUTES, MAX_LEVELS, Mapping, TEXT, Untransformable, XSI, name,
};
use crate::number::canonical;

/// Up to so many members are looked through one by one.
const FEW: usize = 16;

pub(super) fn read(mapping: &Mapping, body: &[u8]) -> Result<Document, Untransformable> {
    let text =
        std::str::from_utf8(body).map_err(|error| malformed(format!("not UTF-8: {error}")))?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    reader.config_mut().check_comments = true;
    let mut reading = Reading {
        mapping,
        open: Vec::new(),
        path: String::new(),
        elements: 0,
        root: None,
    };
    loop {
        let event = reader
            .read_event()
            .map_err(|error| malformed(format!("{error} at byte {}", reader.error_position())))?;
        match event {
            Event::Start(start) => reading.open(&start)?,
            Event::Empty(start) => {
                reading.open(&start)?;
                reading.close();
            }
            Event::End(_) => reading.close(),
            Event::Text(text) => reading.text(&text.xml10_content())?,
            Event::CData(text) => reading.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let mut buffer = [0; 4];
                reading.text(resolved(&reference)?.encode_utf8(&mut buffer))?;
            }
            Event::DocType(_) => return Err(Untransformable::DocumentType),
            Event::Decl(declaration) => check(&declaration)?,
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match (reading.root, reading.open.is_empty()) {
        (Some((name, value)), true) => Ok(Document::Object(vec![(name, value)])),
        _ => Err(malformed(
            "it ends within an element, or has none".to_owned(),
        )),
    }
}

struct Reading<'m> {
    mapping: &'m Mapping,
    open: Vec<Element>,
    /// Names of the open elements, each after a slash.
    path: String,
    elements: usize,
    root: Option<(Box<str>, Document)>,
}

#[derive(Default)]
struct Element {
    name: Box<str>,
    members: Vec<(Box<str>, Document)>,
    /// Where members are, once there are many.
    places: HashMap<Box<str>, usize, RandomState>,
    text: String,
    has_elements: bool,
    nil: bool,
}

impl Reading<'_> {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Untransformable> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(malformed("it has more than one root".to_owned()));
        }
        self.elements += 1;
        let most = self.mapping.max_elements;
        over("elements", self.elements, most)?;
        over("levels", self.open.len() + 1, MAX_LEVELS)?;
        let name = start.name();
        if !name::is_name(name.as_ref()) {
            return Err(malformed(format!("`{}` is no name", name.as_ref())));
        }
        let mut element = Element {
            name: self.named(name.as_ref()).into(),
            ..Element::default()
        };
        self.path.push('/');
        self.path.push_str(&element.name);
        // Without its own check for names that are there twice, which takes the square of their number.
        let mut attributes = start.attributes();
        for (index, attribute) in attributes.with_checks(false).enumerate() {
            over("attributes", index + 1, MAX_ATTRIBUTES)?;
            let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
            self.attribute(&mut element, &attribute)?;
        }
        if let Some(parent) = self.open.last_mut() {
            parent.has_elements = true;
        }
        self.open.push(element);
        Ok(())
    }

    fn attribute(&self, element: &mut Element, it: &Attribute<'_>) -> Result<(), Untransformable> {
        let name = it.key.as_ref();
        if !name::is_name(name) {
            return Err(malformed(format!("`{name}` is no name")));
        }
        let value = it.normalized_value(XmlVersion::Explicit1_0);
        let value = value.map_err(|error| Untransformable::Entity(error.to_string()))?;
        if !value.chars().all(name::is_char) {
            return Err(malformed(format!(
                "`{name}` has a character that XML has not"
            )));
        }
        if name == "xsi:nil" && matches!(value.trim(), "true" | "1") {
            element.nil = true;
            return Ok(());
        }
        let declares = name == "xmlns" || name.starts_with("xmlns:");
        if declares && (self.mapping.strip_prefixes || (name == "xmlns:xsi" && value == XSI)) {
            return Ok(());
        }
        let name = format!("{ATTRIBUTE}{}", self.named(name));
        if element.members.iter().any(|(other, _)| **other == *name) {
            let at = format!("{}/{name}", self.path);
            let reason = "the element has the attribute twice";
            return Err(Untransformable::Inexpressible { at, reason });
        }
        let value = Document::Text(value.into());
        element.members.push((name.into(), value));
        Ok(())
    }

    fn named<'n>(&self, name: &'n str) -> &'n str {
        match name.split_once(':') {
            Some((_, local)) if self.mapping.strip_prefixes => local,
            _ => name,
        }
    }

    fn close(&mut self) {
        let Some(mut element) = self.open.pop() else {
            return;
        };
        let list = self.mapping.lists.contains(self.path.as_str());
        self.path.truncate(self.path.len() - element.name.len() - 1);
        let name = std::mem::take(&mut element.name);
        let value = self.value(element);
        match self.open.last_mut() {
            Some(parent) => parent.add(name, value, list),
            None => self.root = Some((name, value)),
        }
    }

    fn value(&self, element: Element) -> Document {
        let Element {
            mut members,
            text,
            has_elements,
            nil,
            ..
        } = element;
        if nil && members.is_empty() && text.is_empty() {
            return Document::Null;
        }
        // White space between elements is how they are laid out.
        let text = if has_elements { text.trim() } else { &text };
        if members.is_empty() {
            return self.leaf(text);
        }
        if !text.is_empty() {
            members.push((TEXT.into(), self.leaf(text)));
        }
        Document::Object(members)
    }

    fn leaf(&self, text: &str) -> Document {
        if self.mapping.infer_types {
            match text {
                "true" => return Document::Bool(true),
                "false" => return Document::Bool(false),
                _ if canonical(text).as_deref() == Some(text) => {
                    return Document::Number(text.into());
                }
                _ => {}
            }
        }
        Document::Text(text.into())
    }

    /// Text outside of the root is white space or a mistake.
    fn text(&mut self, text: &str) -> Result<(), Untransformable> {
        if !text.chars().all(name::is_char) {
            let reason = format!("`{}` has a character that XML has not", self.path);
            return Err(malformed(reason));
        }
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed("it has text outside of the root".to_owned())),
        }
        Ok(())
    }
}

impl Element {
    /// Adds an element; to those of the same name where there are any.
    fn add(&mut self, name: Box<str>, value: Document, list: bool) {
        let place = match self.places.is_empty() {
            true => self.members.iter().position(|(it, _)| *it == name),
            false => self.places.get(&name).copied(),
        };
        let present = place.and_then(|place| self.members.get_mut(place));
        match present {
            None => {
                let value = match list {
                    true => Document::List(vec![value]),
                    false => value,
                };
                self.members.push((name, value));
                self.keep_places();
            }
            Some((_, Document::List(items))) => items.push(value),
            Some((_, single)) => {
                let first = std::mem::replace(single, Document::Null);
                *single = Document::List(vec![first, value]);
            }
        }
    }

    fn keep_places(&mut self) {
        let last = self.members.len() - 1;
        let from = match self.places.is_empty() {
            true if last >= FEW => 0,
            true => return,
            false => last,
        };
        for (place, (name, _)) in self.members.iter().enumerate().skip(from) {
            self.places.insert(name.clone(), place);
        }
    }
}

fn check(declaration: &BytesDecl<'_>) -> Result<(), Untransformable> {
    let encoding = match declaration.encoding() {
        None => return Ok(()),
        Some(encoding) => encoding.map_err(|error| malformed(error.to_string()))?,
    };
    if ["utf-8", "us-ascii", "ascii"].contains(&encoding.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(malformed(format!(
        "the encoding `{encoding}` is not read, only UTF-8 is"
    )))
}

fn resolved(reference: &BytesRef<'_>) -> Result<char, Untransformable> {
    let name: &str = reference.as_ref();
    let unknown = || Untransformable::Entity(name.to_owned());
    if let Some(char) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(char);
    }
    Ok(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return Err(unknown()),
    })
}

fn over(what: &'static str, count: usize, most: usize) -> Result<(), Untransformable> {
    match count > most {
        true => Err(Untransformable::TooMuch { what, most }),
        false => Ok(()),
    }
}

fn malformed(reason: String) -> Untransformable {
    let format = "XML";
    Untransformable::Malformed { format, reason }
}

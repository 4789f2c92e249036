//! YAML (and JSON, which it includes) as a tree in which every value knows its place.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

/// A value and its place, in bytes of the text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Range<usize>,
    pub(super) content: Content,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Fields(Vec<Field>),
}

/// A field of an object.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Place of the name.
    pub(super) place: Range<usize>,
    pub(super) value: Node,
}

/// Why a text is not YAML.
#[derive(Debug)]
pub(super) struct NotYaml {
    pub(super) place: Range<usize>,
    pub(super) reason: String,
}

/// Parses the documents of a text; empty ones are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, NotYaml> {
    // Names that are given twice are found later, all of them, with both places.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // `y` and `on` are names like others, as in YAML 1.2.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: 20_000_000,
            max_events: 40_000_000,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| NotYaml {
        place: error.location().map_or(0..0, place),
        reason: error.to_string(),
    })
}

impl Node {
    /// A field of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Field> {
        let Content::Fields(fields) = &self.content else {
            return None;
        };
        fields.iter().find(|field| field.name == name)
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Without places.
    pub(super) fn json(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::json).collect(),
            Content::Fields(fields) => {
                let field = |field: &Field| (field.name.clone(), field.value.json());
                Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
            }
        }
    }

    /// The place of the name of the field that a path leads to.
    pub(super) fn locate_name(&self, path: &str) -> Option<Range<usize>> {
        match &self.content {
            Content::Fields(fields) => {
                let whole = fields.iter().find(|field| field.name == path);
                let deeper = || {
                    let within = |field: &Field| field.value.locate_name(rest(path, &field.name)?);
                    fields.iter().find_map(within)
                };
                whole.map(|field| field.place.clone()).or_else(deeper)
            }
            Content::List(items) => {
                let (number, rest) = index(path)?;
                items.get(number)?.locate_name(rest)
            }
            Content::Scalar(_) => None,
        }
    }

    /// The place of what a path as `settings.limits[0].requests` leads to, or of the last part of it that
    /// is there; none where no part is.
    pub(super) fn locate(&self, path: &str) -> Option<Range<usize>> {
        match &self.content {
            Content::Fields(fields) => {
                // The longest name, as names of labels may have dots.
                let leads = |field: &&Field| rest(path, &field.name).is_some();
                let field = fields
                    .iter()
                    .filter(leads)
                    .max_by_key(|field| field.name.len())?;
                let rest = rest(path, &field.name)?;
                let found = field.value.locate(rest);
                Some(found.unwrap_or_else(|| field.value.shown(&field.place)))
            }
            Content::List(items) => {
                let (number, rest) = index(path)?;
                let item = items.get(number)?;
                let found = item.locate(rest);
                Some(found.unwrap_or_else(|| item.place.clone()))
            }
            Content::Scalar(_) => None,
        }
    }

    /// What to point at for the value of a field: the value, where it is a scalar that can be seen, else the
    /// field's name.
    fn shown(&self, name: &Range<usize>) -> Range<usize> {
        match &self.content {
            Content::Scalar(_) if !self.place.is_empty() => self.place.clone(),
            _ => name.clone(),
        }
    }
}

/// The number that a path begins with, and what is left.
fn index(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((number.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// What is left of a path after a field; none where it does not lead there.
fn rest<'a>(path: &'a str, field: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(field)?;
    match rest.bytes().next() {
        None | Some(b'[') => Some(rest),
        Some(b'.') => Some(&rest[1..]),
        Some(_) => None,
    }
}

fn place(location: Location) -> Range<usize> {
    let index = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    let start = index(location.span().byte_offset()).unwrap_or_default();
    start..start + index(location.span().byte_len()).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Content>::deserialize(from)?;
        Ok(Self {
            place: place(spanned.referenced),
            content: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Content, D::Error> {
        Content::deserialize(from)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Number(value.into())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        // JSON has no infinity; as a text it is refused by whoever wants a number.
        let text = || Value::String(value.to_string());
        Ok(Content::Scalar(
            Number::from_f64(value).map_or_else(text, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Value::String(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            fields.push(Field {
                place: place(name.referenced),
                name: name.value,
                value: map.next_value()?,
            });
        }
        Ok(Content::Fields(fields))
    }
}

//! What a body says, whatever it is written in.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
};

use foldhash::fast::RandomState;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Untransformable;
use crate::number::Numbers;

/// Deepest list or object; that of the parser.
const MAX_LEVELS: usize = 127;

/// A value, as exact as it came: members in order, numbers by their digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// As JSON writes numbers (RFC 8259 section 6).
    Number(Box<str>),
    /// Text.
    Text(Box<str>),
    /// Values in order.
    List(Vec<Document>),
    /// Members in order, each name once.
    Object(Vec<(Box<str>, Document)>),
}

impl Document {
    /// Reads JSON (RFC 8259).
    ///
    /// # Errors
    /// What is no JSON, has more than `most` values or 127 levels, or an object that has a name twice.
    pub fn from_json(body: &[u8], most: usize) -> Result<Self, Untransformable> {
        let left = Cell::new(most);
        let numbers = RefCell::new(Numbers::of(body));
        let read = Read {
            left: &left,
            over: &Cell::new(false),
            numbers: &numbers,
        };
        let mut reader = serde_json::Deserializer::from_slice(body);
        let document = read.deserialize(&mut reader);
        let document = document.and_then(|it| reader.end().map(|()| it));
        document.map_err(|error| {
            if read.over.get() {
                return Untransformable::TooMuch {
                    what: "values",
                    most,
                };
            }
            let reason = error.to_string();
            // The parser has no kind of its own for this.
            if reason.starts_with("recursion limit exceeded") {
                return Untransformable::TooMuch {
                    what: "levels",
                    most: MAX_LEVELS,
                };
            }
            let format = "JSON";
            Untransformable::Malformed { format, reason }
        })
    }

    /// Writes JSON without white space.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The member of this name; none where there is none, or the document is no object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(it, _)| &**it == name);
        found.map(|(_, value)| value)
    }

    /// How many values it is made of, itself included.
    pub fn values(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::values).sum::<usize>(),
            Self::Object(members) => {
                1 + members
                    .iter()
                    .map(|(_, value)| value.values())
                    .sum::<usize>()
            }
            _ => 1,
        }
    }

    /// How many lists and objects are around its innermost value.
    pub fn levels(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::levels).max().unwrap_or(0),
            Self::Object(members) => {
                let levels = members.iter().map(|(_, value)| value.levels());
                1 + levels.max().unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    separate(index, out);
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    separate(index, out);
                    write_text(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

impl From<&Value> for Document {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.to_string().into()),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| (name.as_str().into(), value.into()));
                Self::Object(members.collect())
            }
        }
    }
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text can be written to memory");
}

/// Reads a value, and counts.
#[derive(Clone, Copy)]
struct Read<'c, 'b> {
    left: &'c Cell<usize>,
    over: &'c Cell<bool>,
    /// The parser turns numbers into 64 bits; here they are as they came.
    numbers: &'c RefCell<Numbers<'b>>,
}

impl Read<'_, '_> {
    /// The number that the parser has just read.
    fn number(self) -> Document {
        let digits = self.numbers.borrow_mut().next().unwrap_or_default();
        Document::Number(digits.into())
    }
}

impl<'de> DeserializeSeed<'de> for Read<'_, '_> {
    type Value = Document;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Document, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => {
                self.over.set(true);
                return Err(de::Error::custom("too many values"));
            }
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_, '_> {
    type Value = Document;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Bool(value))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Document, E> {
        Ok(self.number())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Document, E> {
        Ok(self.number())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(self.number())
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Document, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Document::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Document, A::Error> {
        let mut members: Vec<(Box<str>, Document)> = Vec::new();
        let mut names: HashSet<Box<str>, RandomState> = HashSet::default();
        while let Some(name) = from.next_key::<Box<str>>()? {
            if !names.insert(name.clone()) {
                let reason = format!("an object has the name `{name}` twice");
                return Err(de::Error::custom(reason));
            }
            members.push((name, from.next_value_seed(self)?));
        }
        Ok(Document::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Untransformable, Document};

    #[test]
    fn json_is_written_as_it_came_but_for_white_space() {
        for json in [
            r#"{"b":1,"a":[true,false,null,"\u0000\"é"],"":{}}"#,
            "12345678901234567890.1234567890e-400",
            "-0.0",
            r#""text""#,
            r#"{"9":9,"a1":"1","n":[1.50,1E2]}"#,
        ] {
            let spaced = format!(" {json}\n").replace(",\"a", " ,\t\"a");
            let document = Document::from_json(spaced.as_bytes(), 100).unwrap();
            let written = String::from_utf8(document.to_json()).unwrap();
            assert_eq!(written, json);
        }
    }

    #[test]
    fn what_is_no_json_or_too_much_is_refused_with_the_place() {
        let said = |body: &str| {
            Document::from_json(body.as_bytes(), 5)
                .unwrap_err()
                .to_string()
        };
        for (body, reason) in [
            (
                "",
                "is not JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{\"a\":1,\n\"a\":2}",
                "is not JSON: an object has the name `a` twice at line 2 column 3",
            ),
            (
                "[1] 2",
                "is not JSON: trailing characters at line 1 column 5",
            ),
            ("[1,2,3,4,5]", "has more than 5 values"),
        ] {
            assert_eq!(said(body), reason, "{body}");
        }
        let deep = "[".repeat(10_000);
        let too_deep = Document::from_json(deep.as_bytes(), 100_000).unwrap_err();
        let levels = Untransformable::TooMuch {
            what: "levels",
            most: 127,
        };
        assert_eq!(too_deep, levels);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Document::from_json(&body, 50);
        }
    }
}

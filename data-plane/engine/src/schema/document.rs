//! Reads JSON and YAML of which every member is there once, within bounds on depth and number of values, and finds
//! places in them.

use std::{borrow::Cow, cell::Cell, fmt};

use percent_encoding::percent_decode_str;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a document is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document {
    /// Most levels of lists and objects in each other.
    pub(crate) depth: u8,
    /// Most values, those in lists and objects included.
    pub(crate) values: u32,
}

impl Document {
    /// Reads JSON.
    ///
    /// # Errors
    /// What is not JSON, names something twice in an object, or is over the bounds.
    pub(crate) fn json(self, bytes: &[u8]) -> Result<Value, serde_json::Error> {
        let left = Cell::new(self.values);
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = self.strict(&left).deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// Reads YAML 1.2 of one document; names that are numbers become texts.
    ///
    /// # Errors
    /// As above, with line and column.
    #[allow(dead_code, reason = "for descriptions of APIs")]
    pub(crate) fn yaml(self, text: &str) -> Result<Value, String> {
        let left = Cell::new(self.values);
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
            self.strict(&left).deserialize(reader)
        })
        .map_err(|error| error.without_snippet().to_string())
    }

    const fn strict(self, left: &Cell<u32>) -> Strict<'_> {
        Strict {
            depth: self.depth,
            left,
        }
    }
}

/// Reads a value with this much nesting left.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: u8,
    left: &'a Cell<u32>,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1);
        let left = left.ok_or_else(|| de::Error::custom("too many values"))?;
        self.left.set(left);
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        let number = number.ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (below, mut list) = (self.deeper()?, Vec::new());
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let (below, mut object) = (self.deeper()?, Map::new());
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(below)?;
            if object.contains_key(&name) {
                return Err(de::Error::custom("a name is there twice in an object"));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// A name as a part of a JSON pointer (RFC 6901, 3).
pub(crate) fn escape_token(name: &str) -> Cow<'_, str> {
    match name.contains(['~', '/']) {
        true => name.replace('~', "~0").replace('/', "~1").into(),
        false => name.into(),
    }
}

/// Where a reference within a document leads, as a pointer in one spelling, and what is there. References are
/// `#` and a JSON pointer, which may have escapes (RFC 6901, 6).
pub(crate) fn resolve<'d>(root: &'d Value, fragment: &str) -> Option<(String, &'d Value)> {
    let decoded = percent_decode_str(fragment).decode_utf8().ok()?;
    let found = root.pointer(&decoded)?;
    Some((decoded.into_owned(), found))
}

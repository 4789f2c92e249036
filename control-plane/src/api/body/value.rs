//! Reads a document into memory that is bounded whatever it says. A few bytes can stand for much: an object takes
//! ninety times as much memory as it has characters, and in YAML one alias stands for megabytes.

use std::{cell::Cell, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How many times as many bytes as its body may have a document may take in memory.
const EXPANSION: usize = 32;

/// Memory of a value, in bytes.
const VALUE_BYTES: usize = size_of::<Value>();

/// Memory of an object beside its values, in bytes: nodes of a tree have eleven places.
const OBJECT_BYTES: usize = 640;

/// Memory left to a document, in bytes.
#[derive(Debug)]
pub(super) struct Memory(Cell<usize>);

impl Memory {
    /// For a body of at most so many bytes.
    pub(super) const fn of_body(most: usize) -> Self {
        Self(Cell::new(most.saturating_mul(EXPANSION)))
    }

    fn take<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        match self.0.get().checked_sub(bytes) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(E::custom("it has too many values")),
        }
    }
}

/// Reads one value. A name that an object has twice is a mistake: readers differ in which one counts (RFC 8259, 4).
#[derive(Clone, Copy)]
pub(super) struct Read<'m>(pub(super) &'m Memory);

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.0.take(VALUE_BYTES)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JSON has no infinities.
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.take(text.len())?;
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        self.0.take(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(self)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        self.0.take(OBJECT_BYTES)?;
        let mut fields = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            self.0.take(name.len())?;
            if fields.contains_key(&name) {
                let reason = format!("`{name}` is there twice");
                return Err(de::Error::custom(reason));
            }
            fields.insert(name, from.next_value_seed(self)?);
        }
        Ok(fields.into())
    }
}

//! The few places where JSON is spelled unlike protobuf. `build.rs` puts these on the fields.

use std::{fmt, marker::PhantomData};

mod moment;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(crate) use moment::{Moment, moment};
pub use moment::{parse_moment, write_moment};

/// Whether an enumeration has its first value, the default, which is left out.
pub(crate) fn is_first(value: &i32) -> bool {
    *value == 0
}

/// An enumeration is a number in protobuf and its name in JSON.
pub(crate) struct Enumeration<E>(PhantomData<E>);

impl<E: TryFrom<i32> + Into<i32> + Serialize> Enumeration<E> {
    pub(crate) fn serialize<S: Serializer>(value: &i32, out: S) -> Result<S::Ok, S::Error> {
        match E::try_from(*value) {
            Ok(known) => known.serialize(out),
            Err(_) => out.serialize_i32(*value),
        }
    }
}

impl<'de, E: Into<i32> + Deserialize<'de>> Enumeration<E> {
    pub(crate) fn deserialize<D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        E::deserialize(from).map(Into::into)
    }
}

/// A list of them.
pub(crate) struct Enumerations<E>(PhantomData<E>);

impl<E: TryFrom<i32> + Into<i32> + Serialize> Enumerations<E> {
    pub(crate) fn serialize<S: Serializer>(values: &[i32], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(values.iter().map(|value| One::<E>(*value, PhantomData)))
    }
}

impl<'de, E: Into<i32> + Deserialize<'de>> Enumerations<E> {
    pub(crate) fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Vec<i32>, D::Error> {
        let values = Vec::<E>::deserialize(from)?;
        Ok(values.into_iter().map(Into::into).collect())
    }
}

/// One of a list.
struct One<E>(i32, PhantomData<E>);

impl<E: TryFrom<i32> + Into<i32> + Serialize> Serialize for One<E> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Enumeration::<E>::serialize(&self.0, out)
    }
}

/// Settings of a plugin: a JSON object, whose schema is the plugin type's.
#[derive(JsonSchema)]
pub(crate) struct Settings(#[allow(dead_code)] serde_json::Map<String, serde_json::Value>);

/// JSON in a string in protobuf, and the JSON itself in JSON. Written with sorted keys.
pub(crate) mod embedded {
    use super::{Deserialize, Deserializer, Serialize, Serializer, de};
    use serde::ser::Error as _;
    use serde_json::Value;

    pub(crate) fn serialize<S: Serializer>(text: &str, out: S) -> Result<S::Ok, S::Error> {
        if text.is_empty() {
            return serde_json::Map::new().serialize(out);
        }
        let value: Value = serde_json::from_str(text).map_err(S::Error::custom)?;
        value.serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
        let mut value = Value::deserialize(from)?;
        if !value.is_object() {
            return Err(de::Error::custom("must be an object"));
        }
        value.sort_all_objects();
        if value.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(String::new());
        }
        Ok(value.to_string())
    }
}

/// A time in milliseconds; also written `250ms`, `30s`, `5m` or `1h`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub(crate) enum Milliseconds {
    /// Milliseconds.
    Number(u32),
    /// A whole number and its unit: `ms`, `s`, `m` or `h`.
    Text(String),
}

/// Reads a time from a number of milliseconds or a text such as `30s`.
pub(crate) fn milliseconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    from.deserialize_any(MillisecondsVisitor)
}

/// Reads `250ms`, `30s`, `5m` or `1h` as milliseconds; none where it is none of these or too long.
pub fn parse_milliseconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

struct MillisecondsVisitor;

impl<'de> de::Visitor<'de> for MillisecondsVisitor {
    type Value = Option<u32>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("milliseconds, or a text such as `250ms`, `30s`, `5m` or `1h`")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        let small = u32::try_from(value);
        small
            .map(Some)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        let small = u32::try_from(value);
        small
            .map(Some)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = parse_milliseconds(text).and_then(|value| u32::try_from(value).ok());
        value
            .map(Some)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

//! Values in JSON documents, by JSON Pointer (RFC 6901).
//!
//! A document is read once for all routes, into a tree of bounded depth and size. An object that has a name
//! twice has no one reading (RFC 8259, 4): what asks for that name is not answered.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{super::TextRule, Broken};
use crate::number::{self, Numbers};

/// Most values in a document. (Its depth is bounded by the parser, at 127.)
const MAX_VALUES: u32 = 65_536;

/// What a value must be.
#[derive(Debug)]
pub(crate) struct JsonRule {
    pointer: Pointer,
    value: TextRule,
    /// The number that an exact value is, in the one way that all equal ones are written.
    number: Option<Box<str>>,
}

impl JsonRule {
    pub(crate) fn new(pointer: Pointer, value: TextRule) -> Self {
        let number = match &value {
            TextRule::Exact(text) => number::canonical(text),
            TextRule::Regex(_) | TextRule::Present | TextRule::Absent => None,
        };
        Self {
            pointer,
            value,
            number,
        }
    }

    fn holds(&self, found: Option<&Json>) -> bool {
        match (&self.value, found) {
            (TextRule::Present, found) => found.is_some(),
            (TextRule::Absent, found) => found.is_none(),
            (_, None | Some(Json::Array(_) | Json::Object(_))) => false,
            (TextRule::Exact(wanted), Some(Json::Number(number))) => {
                **number == **self.number.as_ref().unwrap_or(wanted)
            }
            (of_text, Some(Json::Text(text) | Json::Number(text))) => {
                of_text.holds([text.as_bytes()].into_iter())
            }
        }
    }
}

/// A JSON Pointer, its tokens unescaped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pointer(Box<[Box<str>]>);

impl Pointer {
    /// Reads one.
    ///
    /// # Errors
    /// It does not begin with `/`, or `~` is not followed by `0` or `1`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        let text = text.strip_prefix('/').ok_or("must begin with `/`")?;
        let tokens = text.split('/').map(|token| {
            let mut escapes = token.split('~').skip(1);
            if !escapes.all(|rest| rest.starts_with(['0', '1'])) {
                return Err("`~` must be written `~0`, and `/` within a name `~1`");
            }
            Ok(token.replace("~1", "/").replace("~0", "~").into())
        });
        tokens.collect::<Result<_, _>>().map(Self)
    }
}

/// A value.
#[derive(Debug)]
pub(in crate::route) enum Json {
    /// A string's text, or how `true`, `false` and `null` are written.
    Text(Box<str>),
    /// In the one way that all equal ones are written; as it came where its exponent is beyond counting.
    Number(Box<str>),
    Array(Vec<Json>),
    /// In order of name.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    pub(in crate::route) fn parse(body: &[u8]) -> Result<Self, Broken> {
        let (left, numbers) = (Cell::new(MAX_VALUES), RefCell::new(Numbers::of(body)));
        let mut reader = serde_json::Deserializer::from_slice(body);
        let read = Read {
            left: &left,
            numbers: &numbers,
        };
        let read = read.deserialize(&mut reader);
        let whole = read.and_then(|json| reader.end().map(|()| json));
        whole.map_err(|error| {
            // The parser has no kind of its own for this.
            if left.get() == 0 {
                Broken::Unclear("the body has too many values to be matched")
            } else if error.to_string().starts_with("recursion limit exceeded") {
                Broken::Unclear("the body is nested too deeply to be matched")
            } else {
                Broken::Malformed
            }
        })
    }

    pub(super) fn all_hold(&self, rules: &[JsonRule]) -> Result<bool, Broken> {
        for rule in rules {
            if !rule.holds(self.at(&rule.pointer)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn at(&self, pointer: &Pointer) -> Result<Option<&Self>, Broken> {
        let mut value = self;
        for token in &pointer.0 {
            let next = match value {
                Self::Text(_) | Self::Number(_) => None,
                Self::Array(items) => index(token).and_then(|it| items.get(it)),
                Self::Object(members) => {
                    let from = members.partition_point(|(name, _)| name < token);
                    let mut same = members[from..].iter().take_while(|(name, _)| name == token);
                    let first = same.next();
                    if same.next().is_some() {
                        let reason = "the body has a name twice that a route asks for";
                        return Err(Broken::Unclear(reason));
                    }
                    first.map(|(_, value)| value)
                }
            };
            match next {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

/// Digits without leading zeros (RFC 6901, 4).
fn index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}

/// Reads a value, and counts.
#[derive(Clone, Copy)]
struct Read<'c, 'b> {
    left: &'c Cell<u32>,
    /// The parser turns numbers into 64 bits; here they are as they came.
    numbers: &'c RefCell<Numbers<'b>>,
}

impl Read<'_, '_> {
    /// The number that the parser has just read.
    fn number(self) -> Json {
        let text = self.numbers.borrow_mut().next().unwrap_or_default();
        Json::Number(number::canonical(text).unwrap_or_else(|| text.into()))
    }

    fn count<E: de::Error>(self) -> Result<(), E> {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        if left == 0 {
            return Err(E::custom("too many values"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Read<'_, '_> {
    type Value = Json;

    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        self.count()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_, '_> {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Text("null".into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Text(if value { "true" } else { "false" }.into()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(self.number())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(self.number())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(self.number())
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut members: Vec<(Box<str>, Json)> = Vec::new();
        while let Some(name) = from.next_key::<String>()? {
            members.push((name.into(), from.next_value_seed(self)?));
        }
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Json::Object(members))
    }
}

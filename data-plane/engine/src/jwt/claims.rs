//! What a token says.

use serde_json::{Map, Value};

use super::Refusal;

/// What a token says: the members of its payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Value);

impl Claims {
    /// Those of a payload.
    pub fn new(members: Map<String, Value>) -> Self {
        Self(Value::Object(members))
    }

    /// All of them, as an object.
    pub const fn as_json(&self) -> &Value {
        &self.0
    }

    /// All of them, by name.
    pub fn into_members(self) -> Map<String, Value> {
        match self.0 {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// A claim by its name, or, where that begins with `/`, by a JSON pointer (RFC 6901) such as `/realm_access/roles`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        match path.starts_with('/') {
            true => self.0.pointer(path),
            false => self.0.get(path),
        }
    }

    /// A claim that is a text where it is there.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::ClaimType),
        }
    }

    /// A claim that is one text or a list of texts where it is there, as `aud` (RFC 7519 section 4.1.3).
    ///
    /// # Errors
    /// It is something else.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, Refusal> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(value) => texts(value).ok_or(Refusal::ClaimType),
        }
    }

    /// A claim that is a time where it is there: seconds since 1970 (RFC 7519, `NumericDate`); of fractions, the whole.
    ///
    /// # Errors
    /// It is something else, or before 1970.
    pub fn time(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(_) => return Err(Refusal::ClaimType),
        };
        match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => Ok(Some(whole)),
            // Saturates: what is later than u64 can say is late enough.
            (None, Some(fraction)) if fraction >= 0.0 => Ok(Some(fraction as u64)),
            _ => Err(Refusal::ClaimType),
        }
    }
}

/// One text or a list of them; none where it is something else.
pub fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

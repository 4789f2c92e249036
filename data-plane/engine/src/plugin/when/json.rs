//! Claims as values of expressions.

use std::collections::HashMap;

use cel::common::{
    types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelUInt},
    value::Val,
};
use serde_json::{Map, Value};

use super::sight::{MAX_MEMBERS, key, text};

/// A JSON value; none where a list or an object in it is too long to go over. How deep it is, the parser of JSON has
/// bounded.
fn value(json: &Value) -> Option<Box<dyn Val + '_>> {
    Some(match json {
        Value::Null => Box::new(CelNull),
        Value::Bool(it) => Box::new(CelBool::from(*it)),
        Value::Number(it) => match (it.as_i64(), it.as_u64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(large)) => Box::new(CelUInt::from(large)),
            (None, None) => Box::new(CelDouble::from(it.as_f64()?)),
        },
        Value::String(it) => text(it),
        Value::Array(list) if list.len() <= MAX_MEMBERS => {
            let list: Option<Vec<Box<dyn Val + '_>>> = list.iter().map(value).collect();
            Box::new(CelList::from(list?))
        }
        Value::Object(members) => Box::new(object(members)?),
        Value::Array(_) => return None,
    })
}

/// A JSON object, likewise.
pub(super) fn object(members: &Map<String, Value>) -> Option<CelMap<'_>> {
    if members.len() > MAX_MEMBERS {
        return None;
    }
    let members = members
        .iter()
        .map(|(name, it)| Some((key(name), value(it)?)));
    let map: Option<HashMap<CelMapKey<'_>, Box<dyn Val + '_>>> = members.collect();
    Some(CelMap::from(map?))
}

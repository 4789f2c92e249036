//! From JSON to a resource, with every mistake found on the way: where it is, and what was meant.

use gatewright_engine::plugin::nearest;
use gatewright_proto::{Key, Kind, Resource};
use serde_json::Value;
use serde_path_to_error::{Deserializer, Path, Segment, Track};

use crate::write::Mistake;

/// Most mistakes reported for one resource.
const MAX_MISTAKES: usize = 64;

/// A resource as read, and what was wrong with its JSON.
#[derive(Debug)]
pub struct Reading {
    /// The resource, without the fields that have mistakes; none where not even that could be read.
    pub resource: Option<Resource>,
    /// Every mistake.
    pub mistakes: Vec<Mistake>,
}

/// Reads a resource. `place` stands for it in mistakes, where it has no usable name.
///
/// A field with a mistake is taken out and the rest is read again, so that all are found at once.
pub fn read(kind: Kind, mut json: Value, place: &str) -> Reading {
    let mut mistakes = Vec::new();
    let resource = match name_of(kind, &json) {
        Ok(key) => key.to_string(),
        Err(mistake) => {
            mistakes.push(Mistake {
                resource: place.to_owned(),
                ..mistake
            });
            place.to_owned()
        }
    };
    while mistakes.len() < MAX_MISTAKES {
        let mut track = Track::new();
        let read = kind.from_json(Deserializer::new(&json, &mut track));
        let error = match read {
            Ok(read) => {
                let resource = Key::check_name(read.name()).is_ok().then_some(read);
                return Reading { resource, mistakes };
            }
            Err(error) => error.to_string(),
        };
        let path = track.path();
        let field = field(&path);
        // What holds a field that was taken out may be incomplete now; that is no second mistake.
        let follows = |earlier: &Mistake| is_within(&earlier.field, &field);
        if !mistakes.iter().any(follows) {
            mistakes.push(explain(&resource, field, &error));
        }
        if !take_out(&mut json, &path) {
            break;
        }
    }
    Reading {
        resource: None,
        mistakes,
    }
}

fn name_of(kind: Kind, json: &Value) -> Result<Key, Mistake> {
    let Some(fields) = json.as_object() else {
        return Err(Mistake::invalid("", "", format!("a {kind} is an object")));
    };
    let Some(name) = fields.get("name") else {
        return Err(Mistake::invalid("", "name", "is missing"));
    };
    let name = name.as_str().unwrap_or_default();
    match Key::check_name(name) {
        Ok(()) => Ok(Key::new(kind, name)),
        Err(error) => Err(Mistake::invalid("", "name", error.to_string())),
    }
}

/// Whether a path is another one or leads further.
fn is_within(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

fn field(path: &Path) -> String {
    match path.to_string() {
        root if root == "." => String::new(),
        field => field,
    }
}

/// Turns serde's words into a mistake.
fn explain(resource: &str, field: String, error: &str) -> Mistake {
    let Some(rest) = error.strip_prefix("unknown ") else {
        return Mistake::invalid(resource, field, error);
    };
    let mut words = rest.split('`');
    let what = words.next().unwrap_or_default().trim_end();
    let wrong = words.next().unwrap_or_default();
    let known: Vec<&str> = words.skip(1).step_by(2).collect();
    let reason = format!("unknown {what} `{wrong}`{}", instead(wrong, &known));
    let mistake = Mistake::invalid(resource, field, reason);
    if what == "field" {
        mistake.with_code("unknown_field")
    } else {
        mistake
    }
}

/// What to write instead of a name that is not known, to be put after it in a sentence.
pub fn instead(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known are `{}`", known.join("`, `")),
    }
}

/// Takes what a path leads to out of a document, or all of the list that it is in, so that the
/// places of the others do not change. False where there is nothing to take out.
fn take_out(json: &mut Value, path: &Path) -> bool {
    let mut segments: Vec<&Segment> = path.iter().collect();
    while let Some(last) = segments.pop() {
        let (Segment::Map { key } | Segment::Enum { variant: key }) = last else {
            continue;
        };
        let holder = segments
            .iter()
            .try_fold(&mut *json, |holder, segment| match segment {
                Segment::Seq { index } => holder.get_mut(index),
                Segment::Map { key } | Segment::Enum { variant: key } => holder.get_mut(key),
                Segment::Unknown => None,
            });
        let fields = holder.and_then(Value::as_object_mut);
        if let Some(true) = fields.map(|fields| fields.remove(key).is_some()) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;

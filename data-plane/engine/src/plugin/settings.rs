//! Reads settings: all mistakes at once, each with its path.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{Build, Configure, InvalidSetting, Plugin, spelling::nearest};
use crate::reference::Reference;

/// Most mistakes reported of one plugin.
const MAX_MISTAKES: usize = 32;

/// What is said of a field that does not exist.
pub(super) const UNKNOWN: &str = "not a known field";

pub(super) fn schema<P: Configure>() -> Schema {
    schema_of::<P::Settings>(P::NAME)
}

pub(super) fn schema_of<S: JsonSchema>(title: &'static str) -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<S>();
    schema.remove("$schema");
    schema.insert("title".to_owned(), title.into());
    schema
}

pub(super) fn build<P: Configure>(
    settings: &str,
    build: &Build<'_>,
) -> Result<Box<dyn Plugin>, Vec<InvalidSetting>> {
    let settings = read::<P::Settings>(parse(settings)?)?;
    let plugin: Box<dyn Plugin> = Box::new(P::configure(settings, build)?);
    Ok(plugin)
}

pub(super) fn references<P: Configure>(settings: &str) -> Vec<Reference> {
    let Ok(settings) = parse(settings).and_then(read::<P::Settings>) else {
        return Vec::new();
    };
    let mut references = P::references(&settings);
    for reference in &mut references {
        reference.field.insert_str(0, "settings.");
    }
    references
}

pub(super) fn parse(text: &str) -> Result<Value, Vec<InvalidSetting>> {
    let text = if text.is_empty() { "{}" } else { text };
    serde_json::from_str(text)
        .map_err(|error| vec![InvalidSetting::new("", format!("not JSON: {error}"))])
}

/// Serde stops at the first mistake. So what it stopped at is taken out and it is asked again.
pub(super) fn read<S: DeserializeOwned>(mut value: Value) -> Result<S, Vec<InvalidSetting>> {
    let mut mistakes: Vec<InvalidSetting> = Vec::new();
    while mistakes.len() < MAX_MISTAKES {
        let error = match serde_path_to_error::deserialize::<_, S>(&value) {
            Ok(settings) if mistakes.is_empty() => return Ok(settings),
            Ok(_) => break,
            Err(error) => error,
        };
        let mut path: Vec<Segment> = error.path().iter().cloned().collect();
        let reason = error.into_inner().to_string();
        let mistake = describe(&mut path, reason);
        let is_new = !mistakes
            .iter()
            .any(|known| is_within(&known.field, &mistake.field));
        if is_new {
            mistakes.push(mistake);
        }
        if !take_out(&mut value, &path) {
            break;
        }
    }
    Err(mistakes)
}

/// What is wrong, for people. The path becomes that of what must be taken out.
fn describe(path: &mut Vec<Segment>, reason: String) -> InvalidSetting {
    // Serde names the field between the first backticks, and then those it knows.
    let mut names = reason.split('`').skip(1).step_by(2);
    let key = names.next().unwrap_or_default().to_owned();
    if reason.starts_with("missing field") {
        let container = path.clone();
        path.push(Segment::Map { key });
        let field = written(path);
        *path = container;
        return InvalidSetting::new(field, "is required");
    }
    if reason.starts_with("unknown field") {
        let hint = nearest(&key, names).map(|known| format!("; `{known}` is one"));
        if !matches!(path.last(), Some(Segment::Map { key: last }) if *last == key) {
            path.push(Segment::Map { key });
        }
        let hint = hint.unwrap_or_default();
        return InvalidSetting::new(written(path), format!("{UNKNOWN}{hint}"));
    }
    InvalidSetting::new(written(path), reason)
}

/// Whether one path is the other, or below it.
fn is_within(below: &str, above: &str) -> bool {
    let rest = below.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// As `limits[0].requests`.
fn written(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    text
}

/// Removes the field at the path, or the one whose list has it: without an item, the places of the
/// others would no longer be true. Says whether there was something.
fn take_out(value: &mut Value, path: &[Segment]) -> bool {
    let is_field = |segment: &Segment| matches!(segment, Segment::Map { .. });
    let Some(last) = path.iter().rposition(is_field) else {
        return false;
    };
    let mut place = value;
    for segment in &path[..last] {
        let below = match segment {
            Segment::Map { key } => place.get_mut(key),
            Segment::Seq { index } => place.get_mut(index),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let Some(below) = below else {
            return false;
        };
        place = below;
    }
    match (&path[last], place.as_object_mut()) {
        (Segment::Map { key }, Some(object)) => object.remove(key).is_some(),
        _ => false,
    }
}

//! Reads settings: all mistakes at once, each with its path.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{Build, Configure, InvalidSetting, Plugin, spelling::nearest};
use crate::reference::Reference;

/// Most mistakes reported of one plugin.
const MAX_MISTAKES: usize = 32;

pub(super) fn schema<P: Configure>() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<P::Settings>();
    schema.remove("$schema");
    schema.insert("title".to_owned(), P::NAME.into());
    schema
}

pub(super) fn build<P: Configure>(
    settings: &str,
    build: &Build<'_>,
) -> Result<Box<dyn Plugin>, Vec<InvalidSetting>> {
    let settings = read::<P::Settings>(settings)?;
    let plugin: Box<dyn Plugin> = Box::new(P::configure(settings, build)?);
    Ok(plugin)
}

pub(super) fn references<P: Configure>(settings: &str) -> Vec<Reference> {
    let Ok(settings) = read::<P::Settings>(settings) else {
        return Vec::new();
    };
    let mut references = P::references(&settings);
    for reference in &mut references {
        reference.field.insert_str(0, "settings.");
    }
    references
}

/// Serde stops at the first mistake. So what it stopped at is taken out and it is asked again.
fn read<S: DeserializeOwned + JsonSchema>(text: &str) -> Result<S, Vec<InvalidSetting>> {
    let text = if text.is_empty() { "{}" } else { text };
    let mut value: Value = serde_json::from_str(text)
        .map_err(|error| vec![InvalidSetting::new("", format!("not JSON: {error}"))])?;
    let mut mistakes: Vec<InvalidSetting> = Vec::new();
    while mistakes.len() < MAX_MISTAKES {
        let error = match serde_path_to_error::deserialize::<_, S>(&value) {
            Ok(settings) if mistakes.is_empty() => return Ok(settings),
            Ok(_) => break,
            Err(error) => error,
        };
        let path: Vec<Segment> = error.path().iter().cloned().collect();
        let reason = error.into_inner().to_string();
        let Some((path, reason)) = place(path, reason, &mistakes) else {
            break;
        };
        mistakes.push(InvalidSetting::new(written(&path), reason));
        if !take_out(&mut value, &path) {
            break;
        }
    }
    Err(mistakes)
}

/// Where and what the mistake is; none for the absence of something that was taken out.
fn place(
    mut path: Vec<Segment>,
    reason: String,
    mistakes: &[InvalidSetting],
) -> Option<(Vec<Segment>, String)> {
    // Serde names the field between the first backticks, and then those it knows.
    let mut names = reason.split('`').skip(1).step_by(2);
    if reason.starts_with("unknown field") {
        let key = names.next()?.to_owned();
        let hint = nearest(&key, names).map(|known| format!("; `{known}` is one"));
        if !matches!(path.last(), Some(Segment::Map { key: last }) if *last == key) {
            path.push(Segment::Map { key });
        }
        let hint = hint.unwrap_or_default();
        return Some((path, format!("not a known field{hint}")));
    }
    if reason.starts_with("missing field") {
        let key = names.next()?.to_owned();
        path.push(Segment::Map { key });
        let field = written(&path);
        let known = mistakes.iter().any(|mistake| mistake.field == field);
        return (!known).then(|| (path, "is required".to_owned()));
    }
    Some((path, reason))
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

/// Removes what is at the path; says whether there was something. Items of lists are removed with
/// their list, so that the places of the others stay true.
fn take_out(value: &mut Value, path: &[Segment]) -> bool {
    let Some((Segment::Map { key }, rest)) = path.split_first() else {
        return false;
    };
    let Some(object) = value.as_object_mut() else {
        return false;
    };
    let below = object.get_mut(key);
    if let Some(below) = below
        && rest
            .iter()
            .all(|segment| matches!(segment, Segment::Map { .. }))
        && take_out(below, rest)
    {
        return true;
    }
    object.remove(key).is_some()
}

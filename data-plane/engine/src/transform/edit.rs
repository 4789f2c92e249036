//! Changes to documents: declared steps, in order, and bounded.

mod keep;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use settings::{EditSettings, Otherwise};

use super::{Document, Untransformable, place::Place};

/// A step, checked.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Takes a value out of one place and puts it into another; nothing where it is not there.
    Move(Place, Place),
    /// Puts what is in one place into another as well.
    Copy(Place, Place),
    /// Gives members another name, at their place among the others. What has that name is replaced.
    Rename(Place, Box<str>),
    /// Takes out.
    Remove(Box<[Place]>),
    /// Leaves out all but these, and what leads there.
    Keep(Box<[Place]>),
    /// Puts a value.
    Set(Place, Document),
    /// Puts a value where there is none, or null.
    Default(Place, Document),
    /// Replaces values by others.
    Map(Place, Map),
    /// Leaves out the items of lists that are not so.
    Filter(Place, Where),
    /// Puts all into an object, under this name.
    Wrap(Box<str>),
    /// Leaves only what is there; null where nothing is.
    Unwrap(Place),
    /// Puts the items of lists in a list in their place.
    Flatten(Place),
    /// A merge patch (RFC 7396).
    Merge(Document),
}

/// What becomes of values.
#[derive(Clone, Debug)]
pub struct Map {
    /// By text, or by how a number, `true`, `false` or `null` is written.
    values: HashMap<Box<str>, Document>,
    /// What becomes of others.
    otherwise: Otherwise,
}

/// A condition on an item.
#[derive(Clone, Debug)]
pub struct Where {
    /// Where in the item.
    at: Place,
    /// One of these; without any, it must be there and not null, false or empty.
    any: Box<[Document]>,
    /// Turns it around.
    not: bool,
}

/// Most steps.
const MAX_STEPS: usize = 100;
/// Most levels that steps may add to a document, all together.
const MAX_ADDED_LEVELS: usize = 128;

/// Checks steps.
///
/// # Errors
/// Index, field and reason of one that is wrong; more than 100, or steps that may nest more than 128 levels deep.
pub fn compile(steps: &[EditSettings]) -> Result<Box<[Edit]>, (usize, &'static str, String)> {
    let mut edits = Vec::with_capacity(steps.len().min(MAX_STEPS));
    let mut levels = 0;
    for (index, step) in steps.iter().enumerate() {
        let edit = step.compile();
        let edit = edit.map_err(|(field, reason)| (index, field, reason))?;
        levels += edit.added_levels();
        if index >= MAX_STEPS {
            return Err((index, "", format!("is one of more than {MAX_STEPS} steps")));
        }
        if levels > MAX_ADDED_LEVELS {
            let reason = format!(
                "may nest the document {MAX_ADDED_LEVELS} levels deeper, with those before"
            );
            return Err((index, "", reason));
        }
        edits.push(edit);
    }
    Ok(edits.into())
}

/// Carries steps out, in order. `most` bounds the values that steps may add.
///
/// # Errors
/// Something is in the way of what is to be put, or more is added than `most`.
pub fn apply(edits: &[Edit], document: &mut Document, most: usize) -> Result<(), Untransformable> {
    let mut budget = Budget { left: most };
    for edit in edits {
        let done = edit.apply(document, &mut budget);
        done.map_err(|failure| match failure {
            Failure::TooMuch => Untransformable::TooMuch {
                what: "values",
                most,
            },
            Failure::InTheWay(at) => Untransformable::Inexpressible {
                at,
                reason: "something that is no object or has no such item is in the way",
            },
        })?;
    }
    Ok(())
}

enum Failure {
    TooMuch,
    InTheWay(String),
}

struct Budget {
    left: usize,
}

impl Budget {
    /// A copy of a value, which is charged.
    fn copy(&mut self, value: &Document) -> Result<Document, Failure> {
        let left = self.left.checked_sub(value.values());
        self.left = left.ok_or(Failure::TooMuch)?;
        Ok(value.clone())
    }
}

impl Edit {
    /// By how many levels it may make a document deeper.
    fn added_levels(&self) -> usize {
        let put = |at: &Place, value: &Document| at.tokens().len() + value.levels();
        match self {
            Self::Move(_, to) | Self::Copy(_, to) => to.tokens().len(),
            Self::Set(at, value) | Self::Default(at, value) => put(at, value),
            Self::Map(_, map) => map.values.values().map(Document::levels).max().unwrap_or(0),
            Self::Wrap(_) => 1,
            Self::Merge(patch) => patch.levels(),
            Self::Rename(..) | Self::Remove(_) | Self::Keep(_) => 0,
            Self::Filter(..) | Self::Unwrap(_) | Self::Flatten(_) => 0,
        }
    }

    fn apply(&self, document: &mut Document, budget: &mut Budget) -> Result<(), Failure> {
        match self {
            Self::Move(from, to) => {
                if let Some(value) = from.take(document) {
                    put(to, document, value)?;
                }
            }
            Self::Copy(from, to) => {
                if let Some(value) = from.get(document) {
                    let value = budget.copy(value)?;
                    put(to, document, value)?;
                }
            }
            Self::Rename(at, name) => {
                at.each_parent(document, &mut |parent, old| rename(parent, old, name));
            }
            Self::Remove(places) => places.iter().for_each(|place| place.remove(document)),
            Self::Keep(places) => keep::keep(document, places),
            Self::Set(at, value) => put(at, document, budget.copy(value)?)?,
            Self::Default(at, value) => {
                if matches!(at.get(document), None | Some(Document::Null)) {
                    put(at, document, budget.copy(value)?)?;
                }
            }
            Self::Map(at, map) => map.replace_all(at, document, budget)?,
            Self::Filter(at, condition) => at.each(document, &mut |found| {
                if let Document::List(items) = found {
                    items.retain(|item| condition.holds(item));
                }
            }),
            Self::Wrap(name) => {
                let inner = std::mem::replace(document, Document::Null);
                *document = Document::Object(vec![(name.clone(), inner)]);
            }
            Self::Unwrap(at) => *document = at.take(document).unwrap_or(Document::Null),
            Self::Flatten(at) => at.each(document, &mut flatten),
            Self::Merge(patch) => {
                let patch = budget.copy(patch)?;
                merge(document, patch);
            }
        }
        Ok(())
    }
}

impl Map {
    fn replace_all(
        &self,
        at: &Place,
        document: &mut Document,
        budget: &mut Budget,
    ) -> Result<(), Failure> {
        let mut result = Ok(());
        at.each(document, &mut |found| {
            if result.is_err() {
                return;
            }
            let known = written(found).and_then(|text| self.values.get(text));
            match (known, &self.otherwise) {
                (Some(known), _) => match budget.copy(known) {
                    Ok(known) => *found = known,
                    Err(failure) => result = Err(failure),
                },
                (None, Otherwise::Keep) => {}
                (None, Otherwise::Null) => *found = Document::Null,
            }
        });
        result
    }
}

impl Where {
    fn holds(&self, item: &Document) -> bool {
        let found = self.at.get(item);
        let holds = match self.any.is_empty() {
            true => found.is_some_and(is_something),
            false => found.is_some_and(|found| self.any.contains(found)),
        };
        holds != self.not
    }
}

fn put(to: &Place, document: &mut Document, value: Document) -> Result<(), Failure> {
    match to.put(document, value) {
        true => Ok(()),
        false => Err(Failure::InTheWay(to.to_string())),
    }
}

fn rename(parent: &mut Document, old: &str, new: &str) {
    let Document::Object(members) = parent else {
        return;
    };
    if old == new || !members.iter().any(|(name, _)| &**name == old) {
        return;
    }
    members.retain(|(name, _)| &**name != new);
    if let Some((name, _)) = members.iter_mut().find(|(name, _)| &**name == old) {
        *name = new.into();
    }
}

fn flatten(found: &mut Document) {
    let Document::List(items) = found else {
        return;
    };
    let outer = std::mem::take(items);
    for item in outer {
        match item {
            Document::List(inner) => items.extend(inner),
            single => items.push(single),
        }
    }
}

fn merge(document: &mut Document, patch: Document) {
    let Document::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !matches!(document, Document::Object(_)) {
        *document = Document::Object(Vec::new());
    }
    let Document::Object(members) = document else {
        return;
    };
    for (name, value) in patch {
        let place = members.iter().position(|(it, _)| *it == name);
        match (value, place) {
            (Document::Null, Some(place)) => {
                members.remove(place);
            }
            (Document::Null, None) => {}
            (value, Some(place)) => merge(&mut members[place].1, value),
            (value, None) => {
                let mut new = Document::Null;
                merge(&mut new, value);
                members.push((name, new));
            }
        }
    }
}

/// How a value is written that has no parts.
fn written(value: &Document) -> Option<&str> {
    match value {
        Document::Null => Some("null"),
        Document::Bool(true) => Some("true"),
        Document::Bool(false) => Some("false"),
        Document::Number(text) | Document::Text(text) => Some(text),
        Document::List(_) | Document::Object(_) => None,
    }
}

fn is_something(value: &Document) -> bool {
    match value {
        Document::Null | Document::Bool(false) => false,
        Document::Bool(true) | Document::Number(_) => true,
        Document::Text(text) => !text.is_empty(),
        Document::List(items) => !items.is_empty(),
        Document::Object(members) => !members.is_empty(),
    }
}

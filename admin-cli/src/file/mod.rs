//! Configuration files: YAML or JSON with one list a kind, from files, folders or standard input, each
//! value with the place where it stands, so that a mistake found by anyone, the server included, can be
//! shown where it was made.
//!
//! [`read`] finds the files and parses them ([`source`], [`tree`]); [`list`] takes the resources out of
//! them; [`problem`] shows what is wrong.

mod list;
mod problem;
mod source;
mod tree;

use std::{collections::BTreeMap, io::BufRead, ops::Range, path::PathBuf, sync::Arc};

use clap::Args;
use gatewright_proto::Kind;
use serde_json::{Map, Value};

pub(crate) use self::problem::Problems;
use self::{problem::Problem, source::Source, tree::Node};
use crate::client::Mistake;

/// Which files.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// A file, a folder with files (.yaml, .yml, .json), or `-` for standard input. May be repeated.
    #[arg(short = 'f', long = "file", required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Files {
    /// These.
    pub(crate) fn at(paths: &[PathBuf]) -> Self {
        Self {
            paths: paths.to_vec(),
        }
    }
}

/// One resource, as written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    /// Which source.
    source: usize,
    /// Its fields; those of its children taken out.
    node: Node,
    /// Whether an earlier one has the same name.
    repeated: bool,
}

/// All resources of some files.
#[derive(Debug)]
pub(crate) struct Bundle {
    sources: Arc<Vec<Source>>,
    entries: Vec<Entry>,
    /// What is wrong with how they are written.
    problems: Vec<Problem>,
    /// How mistakes name the entries: `route/orders`, and `routes[3]` for the fourth in the document.
    named: BTreeMap<String, usize>,
}

/// Reads files.
///
/// # Errors
/// A file that cannot be read, or [`Problems`]: what is not YAML.
pub(crate) fn read(files: &Files, input: &mut dyn BufRead) -> anyhow::Result<Bundle> {
    let sources = Arc::new(source::load(&files.paths, input)?);
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for (number, source) in sources.iter().enumerate() {
        match tree::parse(&source.text) {
            Ok(nodes) => documents.extend(nodes.into_iter().map(|node| (number, node))),
            Err(mistake) => problems.push(Problem::new(number, mistake.place, mistake.reason)),
        }
    }
    if !problems.is_empty() {
        return Err(Problems::new(sources, problems).into());
    }
    Ok(list::bundle(sources, documents))
}

impl Bundle {
    /// The resources, each once.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.repeated)
    }

    /// The document for `POST /v1/apply`.
    pub(crate) fn document(&self) -> Value {
        let mut lists = Map::new();
        for entry in self.entries() {
            let list = lists.entry(entry.kind.plural());
            let list = list.or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = list {
                items.push(entry.json());
            }
        }
        Value::Object(lists)
    }

    /// Whether something is wrong with how the resources are written.
    pub(crate) const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is wrong with how the resources are written, together with mistakes that others found.
    pub(crate) fn problems(&self, mistakes: &[Mistake]) -> Problems {
        let mut problems = self.problems.clone();
        problems.extend(mistakes.iter().map(|mistake| self.locate(mistake)));
        Problems::new(Arc::clone(&self.sources), problems)
    }

    /// Where a mistake was made. One in a resource that is not in the files has no place.
    fn locate(&self, mistake: &Mistake) -> Problem {
        let subject = match (mistake.resource.as_str(), mistake.field.as_str()) {
            (resource, "") => resource.to_owned(),
            ("", field) => field.to_owned(),
            (resource, field) => format!("{resource}: {field}"),
        };
        let reason = match subject.as_str() {
            "" => mistake.reason.clone(),
            subject => format!("{subject}: {}", mistake.reason),
        };
        let Some(&number) = self.named.get(&mistake.resource) else {
            return Problem::without_place(reason);
        };
        let entry = &self.entries[number];
        let place = match mistake.code.as_str() {
            "unknown_field" => entry.node.locate_name(&mistake.field),
            _ => None,
        };
        let place = place.unwrap_or_else(|| entry.place(&mistake.field));
        Problem::new(entry.source, place, reason)
    }
}

impl Entry {
    pub(crate) fn json(&self) -> Value {
        self.node.json()
    }

    /// How mistakes name it, where its name is one.
    fn key(&self) -> Option<String> {
        let name = self.node.get("name")?.value.text()?;
        Some(format!("{}/{name}", self.kind))
    }

    /// Where a field stands; its name where it is not there.
    fn place(&self, field: &str) -> Range<usize> {
        let name = self.node.get("name");
        let whole = name.map_or_else(|| self.node.place.clone(), |name| name.value.place.clone());
        self.node.locate(field).unwrap_or(whole)
    }
}

#[cfg(test)]
mod tests;

//! The regular expressions of one host and priority.
//!
//! Their order is that of their routes, so a search must find the first of those that match. Trying them in
//! turn would cost a host with many of them dearly. So each stands in a bucket of the whole
//! segments that all its matches begin with, and a bucket of many is asked as sets, each in one pass.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use regex::{Regex, RegexSet, RegexSetBuilder};
use regex_syntax::hir::{Hir, HirKind};
use smallvec::SmallVec;

use super::{
    Ambiguous, Condition, Matched,
    ambiguity::note,
    index::{leading, segments},
    search::{Search, matched},
};

/// As many are tried in turn, without a set.
const FEW: usize = 8;
/// About how many are in a set.
const SET_SIZE: usize = 32;
/// Largest compiled set, in bytes. Where one would be larger, its expressions are tried in turn.
const MAX_SET_BYTES: usize = 16 * 1024 * 1024;

/// The regular expressions, and what they lead to.
#[derive(Debug, Default)]
pub(super) struct Regexes {
    /// In their order.
    rules: Vec<(Regex, Arc<Condition>)>,
    /// By the whole segments that all matches begin with, without trailing slash. Empty where the rules are few.
    buckets: HashMap<Box<str>, Bucket>,
    /// Segments of the longest of those.
    deepest: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Places of rules to be tried in turn.
    few: Vec<u32>,
    sets: Vec<Set>,
}

#[derive(Debug)]
struct Set {
    expressions: RegexSet,
    /// Places of the rules with the expression, by its place in the set.
    places: Vec<SmallVec<[u32; 2]>>,
}

/// A rule that may match: its place, and whether its expression is known to.
type Candidate = (u32, bool);

impl Regexes {
    pub(super) fn insert(&mut self, regex: Regex, condition: Arc<Condition>) {
        self.rules.push((regex, condition));
    }

    pub(super) fn finish(&mut self, sets: &mut Sets, ambiguous: &mut Vec<Ambiguous>) {
        let mut by_text: HashMap<&str, Vec<u32>> = HashMap::new();
        for (place, (regex, _)) in (0..).zip(&self.rules) {
            by_text.entry(regex.as_str()).or_default().push(place);
        }
        let condition = |place: &u32| &self.rules[*place as usize].1;
        for places in by_text.values() {
            note(places.iter().map(condition), ambiguous);
        }
        if self.rules.len() <= FEW {
            return;
        }
        let mut buckets: HashMap<Box<str>, Vec<(&str, Vec<u32>)>> = HashMap::new();
        for (text, places) in by_text {
            let beginning = literal_segments(text);
            self.deepest = self.deepest.max(segments(&beginning));
            buckets.entry(beginning).or_default().push((text, places));
        }
        let buckets = buckets.into_iter();
        self.buckets = buckets
            .map(|(beginning, members)| (beginning, Bucket::of(members, sets)))
            .collect();
    }

    pub(super) fn find<'s>(&'s self, search: &mut Search<'s, '_>) -> Option<Matched<'s>> {
        let path = search.query.path;
        if self.buckets.is_empty() {
            let mut rules = self.rules.iter();
            return rules.find_map(|(regex, condition)| {
                (regex.is_match(path) && search.accepts(condition)).then(|| matched(condition, 0))
            });
        }
        let mut candidates: SmallVec<[Candidate; 16]> = SmallVec::new();
        for end in leading(path, self.deepest) {
            if let Some(bucket) = self.buckets.get(&path[..end]) {
                bucket.collect(path, &mut candidates);
            }
        }
        candidates.sort_unstable();
        candidates.into_iter().find_map(|(place, sure)| {
            let (regex, condition) = &self.rules[place as usize];
            let accepted = (sure || regex.is_match(path)) && search.accepts(condition);
            accepted.then(|| matched(condition, 0))
        })
    }
}

impl Bucket {
    fn of(members: Vec<(&str, Vec<u32>)>, sets: &mut Sets) -> Self {
        let mut bucket = Self::default();
        if members.len() <= FEW {
            bucket.few = members.into_iter().flat_map(|(_, places)| places).collect();
            return bucket;
        }
        // By a hash, so that one more expression changes one set and not all those after it.
        let count = (members.len() / SET_SIZE).next_power_of_two();
        let mut parts: Vec<Vec<(&str, Vec<u32>)>> = vec![Vec::new(); count];
        for (text, places) in members {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            let part = usize::try_from(hasher.finish() & (count as u64 - 1)).unwrap_or(0);
            parts[part].push((text, places));
        }
        for mut part in parts.into_iter().filter(|part| !part.is_empty()) {
            part.sort();
            match sets.of(part.iter().map(|(text, _)| *text)) {
                Some(expressions) => bucket.sets.push(Set {
                    expressions,
                    places: part.into_iter().map(|(_, it)| it.into()).collect(),
                }),
                None => bucket.few.extend(part.into_iter().flat_map(|(_, it)| it)),
            }
        }
        bucket
    }

    fn collect(&self, path: &str, candidates: &mut SmallVec<[Candidate; 16]>) {
        candidates.extend(self.few.iter().map(|place| (*place, false)));
        for set in &self.sets {
            for index in set.expressions.matches(path) {
                candidates.extend(set.places[index].iter().map(|place| (*place, true)));
            }
        }
    }
}

/// Sets of expressions, compiled once for all that have the same ones, and taken over from the
/// configuration before.
#[derive(Debug, Default)]
pub(super) struct Sets {
    used: HashMap<Box<[Box<str>]>, RegexSet>,
    /// Those of the configuration before, while this one is being built.
    previous: HashMap<Box<[Box<str>]>, RegexSet>,
}

impl Sets {
    pub(super) fn after(previous: Option<&Self>) -> Self {
        Self {
            used: HashMap::new(),
            previous: previous.map(|it| it.used.clone()).unwrap_or_default(),
        }
    }

    /// Lets go of those that are not used any more.
    pub(super) fn finish(self) -> Self {
        Self {
            used: self.used,
            previous: HashMap::new(),
        }
    }

    /// The expressions of each set.
    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<Box<[Box<str>]>> {
        self.used.keys().cloned().collect()
    }

    /// The set; none where it would be too large.
    fn of<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> Option<RegexSet> {
        let texts: Box<[Box<str>]> = texts.map(Into::into).collect();
        if let Some(known) = self.used.get(&texts) {
            return Some(known.clone());
        }
        let set = match self.previous.get(&texts) {
            Some(known) => known.clone(),
            None => {
                let mut builder = RegexSetBuilder::new(&texts);
                builder.size_limit(MAX_SET_BYTES).build().ok()?
            }
        };
        self.used.insert(texts, set.clone());
        Some(set)
    }
}

/// The whole segments that all matches of an anchored expression begin with.
fn literal_segments(text: &str) -> Box<str> {
    let beginning = regex_syntax::parse(text).map(|hir| literal_beginning(&hir));
    let beginning = beginning.unwrap_or_default();
    let whole = beginning.rfind('/').unwrap_or(0);
    beginning[..whole].into()
}

fn literal_beginning(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).into_owned(),
        HirKind::Capture(capture) => literal_beginning(&capture.sub),
        HirKind::Concat(parts) => {
            let mut parts = parts.iter().skip_while(|part| is_anchor(part));
            // Only the first: what follows a part that is not a literal may be anywhere.
            parts.next().map(literal_beginning).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn is_anchor(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Look(_))
}

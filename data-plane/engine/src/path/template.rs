//! Paths with parameters, as `/orders/{id}`: matched by routes, and filled in by rewrites and redirects.

use std::{ops::Range, sync::Arc};

use super::{InvalidPath, normalize};

/// A parameter's name, and the bytes of the request's path that it stands for.
pub type Parameter = (Arc<str>, Range<usize>);

/// A path with parameters, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Parameter(Arc<str>),
}

/// One segment of a template that routes match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    Literal(&'a str),
    Parameter(&'a Arc<str>),
}

impl Template {
    /// Reads a template. Names of parameters are 1 to 64 of `a-z A-Z 0-9 _`; what is between them
    /// has the normalised form.
    ///
    /// # Errors
    /// A broken or repeated parameter; a path that is not in its normalised form.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (literal, tail) = match rest.find(['{', '}']) {
                Some(at) => rest.split_at(at),
                None => (rest, ""),
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            rest = tail;
            if rest.is_empty() {
                break;
            }
            let (name, tail) = parameter(rest)?;
            let known = |part: &Part| matches!(part, Part::Parameter(other) if **other == *name);
            if parts.iter().any(known) {
                return Err(InvalidPath("a parameter is named twice"));
            }
            parts.push(Part::Parameter(name.into()));
            rest = tail;
        }
        let template = Self {
            parts: parts.into(),
        };
        template.check_literals()?;
        Ok(template)
    }

    /// Reads a template that routes match: each parameter is a whole segment.
    ///
    /// # Errors
    /// As [`Template::parse`]; a parameter beside other characters; no parameter at all is fine.
    pub fn parse_match(text: &str) -> Result<Self, InvalidPath> {
        let template = Self::parse(text)?;
        let whole = |segment: &str| {
            !segment.contains('{')
                || (segment.starts_with('{') && segment.find('}') == Some(segment.len() - 1))
        };
        if text.split('/').all(whole) {
            Ok(template)
        } else {
            Err(InvalidPath("a parameter stands for a whole segment"))
        }
    }

    /// The names of its parameters, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Parameter(name) => Some(name),
            Part::Literal(_) => None,
        })
    }

    /// Fills it in with the parameters that were found in `path`. A parameter that was not found is
    /// empty; compilation refuses templates where this could happen.
    pub fn render(&self, path: &str, parameters: &[Parameter]) -> String {
        let mut text = String::with_capacity(path.len() + 16);
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Parameter(name) => {
                    let range = parameters.iter().find(|(other, _)| other == name);
                    let value = range.and_then(|(_, range)| path.get(range.clone()));
                    text.push_str(value.unwrap_or_default());
                }
            }
        }
        text
    }

    /// Its segments, where it was read by [`Template::parse_match`].
    pub(crate) fn segments(&self) -> Vec<Segment<'_>> {
        let mut segments = Vec::new();
        let last = self.parts.len().saturating_sub(1);
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Parameter(name) => segments.push(Segment::Parameter(name)),
                // What follows a parameter begins with the slash that ends its segment, and what
                // precedes one ends with the slash that begins it.
                Part::Literal(text) => {
                    let text = text.strip_prefix('/').unwrap_or(text);
                    segments.extend(text.split('/').map(Segment::Literal));
                    if place < last {
                        segments.pop();
                    }
                }
            }
        }
        segments
    }

    /// The literal parts have the normalised form, whatever the parameters are.
    fn check_literals(&self) -> Result<(), InvalidPath> {
        // `x` stands for a value: never empty, never a dot segment, never with a slash.
        let mut sample = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => sample.push_str(text),
                Part::Parameter(_) => sample.push('x'),
            }
        }
        if normalize(&sample)? == sample {
            Ok(())
        } else {
            Err(InvalidPath("not in the normalised form"))
        }
    }
}

/// Splits `{name}rest` into name and rest.
fn parameter(text: &str) -> Result<(&str, &str), InvalidPath> {
    const MAX_NAME_BYTES: usize = 64;
    let (name, tail) = text
        .strip_prefix('{')
        .and_then(|text| text.split_once('}'))
        .ok_or(InvalidPath("`{` and `}` must enclose a parameter"))?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(allowed) {
        Ok((name, tail))
    } else {
        Err(InvalidPath(
            "the name of a parameter is 1 to 64 of the characters a-z A-Z 0-9 _",
        ))
    }
}

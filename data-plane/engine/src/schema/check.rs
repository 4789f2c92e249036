//! Checks values. Every step is counted.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::{
    Kinds, Node, NodeId, Rule, Schemas, Violation, equal, escape_token, node::Values, number,
    seen::Seen,
};

/// Most violations that are told.
const MAX_VIOLATIONS: usize = 20;
/// Deepest that schemas are within each other while a value is checked.
const MAX_DEPTH: u32 = 256;
/// Bytes of a text that a regular expression looks at in a step.
const BYTES_A_STEP: u64 = 16;

/// What a check is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Most steps.
    pub(crate) steps: u64,
    /// Whether members that are read-only are refused.
    pub(crate) refuse_read_only: bool,
}

/// What came of a check.
#[derive(Debug)]
pub(crate) enum Outcome {
    Good,
    /// At least one, at most 20.
    Bad(Vec<Violation>),
    /// It would have taken more steps, or gone deeper, than it may.
    TooMuch,
}

/// A place in a value.
pub(super) struct At<'a> {
    above: Option<&'a At<'a>>,
    part: Part<'a>,
}

enum Part<'a> {
    Top,
    Name(&'a str),
    Place(usize),
}

impl<'a> At<'a> {
    pub(super) const TOP: At<'static> = At {
        above: None,
        part: Part::Top,
    };

    pub(super) const fn name(&'a self, name: &'a str) -> Self {
        Self {
            above: Some(self),
            part: Part::Name(name),
        }
    }

    pub(super) const fn place(&'a self, place: usize) -> Self {
        Self {
            above: Some(self),
            part: Part::Place(place),
        }
    }

    fn pointer(&self) -> String {
        let mut parts = Vec::new();
        let mut at = Some(self);
        while let Some(part) = at {
            parts.push(&part.part);
            at = part.above;
        }
        let mut text = String::new();
        for part in parts.into_iter().rev() {
            match part {
                Part::Top => {}
                Part::Name(name) => {
                    text.push('/');
                    text.push_str(&escape_token(name));
                }
                Part::Place(place) => _ = write!(text, "/{place}"),
            }
        }
        text
    }
}

/// A check under way.
pub(crate) struct Checker<'s> {
    pub(super) schemas: &'s Schemas,
    pub(super) bounds: Bounds,
    left: u64,
    depth: u32,
    /// In so many branches whose failures are nobody's mistake.
    pub(super) quiet: u32,
    violations: Vec<Violation>,
    pub(super) too_much: bool,
}

impl<'s> Checker<'s> {
    /// Of values by these schemas. The steps are those of all values together.
    pub(crate) fn new(schemas: &'s Schemas, bounds: Bounds) -> Self {
        Self {
            schemas,
            left: bounds.steps,
            bounds,
            depth: 0,
            quiet: 0,
            violations: Vec::new(),
            too_much: false,
        }
    }

    /// Checks a value.
    pub(crate) fn run(&mut self, node: NodeId, value: &Value) -> Outcome {
        let good = self.check(node, value, &At::TOP, None);
        let violations = std::mem::take(&mut self.violations);
        match (self.too_much, good) {
            (true, _) => Outcome::TooMuch,
            (false, true) => Outcome::Good,
            (false, false) => Outcome::Bad(violations),
        }
    }

    pub(super) fn step(&mut self, steps: u64) {
        match self.left.checked_sub(steps) {
            Some(left) => self.left = left,
            None => self.too_much = true,
        }
    }

    /// Whether there is no reason to go on.
    pub(super) fn gives_up(&self, good: bool) -> bool {
        self.too_much || (!good && (self.quiet > 0 || self.violations.len() >= MAX_VIOLATIONS))
    }

    /// Tells what is wrong, if anybody wants to know. Always false.
    pub(super) fn fail(&mut self, at: &At<'_>, reason: impl FnOnce() -> String) -> bool {
        if self.quiet == 0 && !self.too_much && self.violations.len() < MAX_VIOLATIONS {
            let violation = Violation::of_body(at.pointer(), reason());
            self.violations.push(violation);
        }
        false
    }

    pub(super) fn quietly(&mut self, check: impl FnOnce(&mut Self) -> bool) -> bool {
        self.quiet += 1;
        let good = check(self);
        self.quiet -= 1;
        good
    }

    /// Checks a value at a place. What the schema spoke of is added to `seen`.
    pub(super) fn check<'v>(
        &mut self,
        id: NodeId,
        value: &'v Value,
        at: &At<'_>,
        seen: Option<&mut Seen<'v>>,
    ) -> bool {
        let schemas = self.schemas;
        let node = schemas.node(id);
        self.step(1);
        if self.depth >= MAX_DEPTH {
            self.too_much = true;
        }
        if self.too_much {
            return false;
        }
        if node.kinds != Kinds::ALL && !node.kinds.has(Kinds::of(value)) {
            return self.fail(at, || node.kinds.demand());
        }
        if node.rules.is_empty() {
            return true;
        }
        self.depth += 1;
        let good = if node.tracks {
            let mut own = Seen::default();
            let good = self.rules(node, value, at, Some(&mut own));
            if let Some(seen) = seen {
                seen.add(own);
            }
            good
        } else {
            self.rules(node, value, at, seen)
        };
        self.depth -= 1;
        good
    }

    fn rules<'v>(
        &mut self,
        node: &'s Node,
        value: &'v Value,
        at: &At<'_>,
        mut seen: Option<&mut Seen<'v>>,
    ) -> bool {
        let mut good = true;
        for rule in &node.rules {
            good &= match (rule, value) {
                (Rule::Object(rule), Value::Object(members)) => {
                    let there = self.object(rule, members, at, seen.as_deref_mut());
                    let when_there = rule.when_there.iter();
                    when_there
                        .filter(|(name, _)| members.contains_key(&**name))
                        .fold(there, |good, (_, id)| {
                            self.branch(*id, value, at, &mut seen) && good
                        })
                }
                (Rule::Enum(values), _) => self.one_of_values(values, value, at),
                (Rule::Format(format), _) => {
                    format.holds(value) || self.fail(at, || format.demand().to_owned())
                }
                (_, Value::Number(number)) if rule.is_of_numbers() => self.number(rule, number, at),
                (_, Value::String(text)) if rule.is_of_texts() => self.text(rule, text, at),
                (_, Value::Array(items)) if rule.is_of_lists() => {
                    self.list(rule, items, at, seen.as_deref_mut())
                }
                _ => self.combination(rule, value, at, &mut seen),
            };
            if self.gives_up(good) {
                return false;
            }
        }
        good
    }

    fn one_of_values(&mut self, values: &Values, value: &Value, at: &At<'_>) -> bool {
        let found = match value {
            Value::String(text) => values.texts.contains(text.as_str()),
            _ => {
                self.step(values.others.len() as u64);
                values.others.iter().any(|it| equal::same(it, value))
            }
        };
        found || self.fail(at, || "is not one of the values that are allowed".into())
    }

    fn number(&mut self, rule: &Rule, value: &Number, at: &At<'_>) -> bool {
        let compare = |other| number::compare(value, other);
        match rule {
            Rule::Minimum(least) => {
                compare(least).is_ge() || self.fail(at, || format!("must be {least} or more"))
            }
            Rule::ExclusiveMinimum(least) => {
                compare(least).is_gt() || self.fail(at, || format!("must be over {least}"))
            }
            Rule::Maximum(most) => {
                compare(most).is_le() || self.fail(at, || format!("must be {most} or less"))
            }
            Rule::ExclusiveMaximum(most) => {
                compare(most).is_lt() || self.fail(at, || format!("must be under {most}"))
            }
            Rule::MultipleOf(of) => {
                number::is_multiple(value, of)
                    || self.fail(at, || format!("must be a multiple of {of}"))
            }
            _ => true,
        }
    }

    fn text(&mut self, rule: &Rule, text: &str, at: &At<'_>) -> bool {
        self.step(text.len() as u64 / BYTES_A_STEP);
        match rule {
            // A character has 1 to 4 bytes, so that most texts need not be counted.
            Rule::MinLength(least) => {
                let bytes = text.len() as u64;
                bytes / 4 >= *least
                    || (bytes >= *least && text.chars().count() as u64 >= *least)
                    || self.fail(at, || format!("has fewer than {least} characters"))
            }
            Rule::MaxLength(most) => {
                text.len() as u64 <= *most
                    || text.chars().count() as u64 <= *most
                    || self.fail(at, || format!("has more than {most} characters"))
            }
            Rule::Pattern(regex, pattern) => {
                regex.is_match(text) || self.fail(at, || format!("does not match `{pattern}`"))
            }
            _ => true,
        }
    }
}

impl Rule {
    const fn is_of_numbers(&self) -> bool {
        matches!(
            self,
            Self::Minimum(_)
                | Self::ExclusiveMinimum(_)
                | Self::Maximum(_)
                | Self::ExclusiveMaximum(_)
                | Self::MultipleOf(_)
        )
    }

    const fn is_of_texts(&self) -> bool {
        matches!(
            self,
            Self::MinLength(_) | Self::MaxLength(_) | Self::Pattern(..)
        )
    }

    const fn is_of_lists(&self) -> bool {
        matches!(
            self,
            Self::MinItems(_)
                | Self::MaxItems(_)
                | Self::UniqueItems
                | Self::Items(_)
                | Self::Contains(_)
                | Self::UnevaluatedItems(_)
        )
    }
}

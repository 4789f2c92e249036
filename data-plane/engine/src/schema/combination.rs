//! What a schema says by other schemas of the same value.

use serde_json::Value;

use super::{
    Kinds, NodeId, Rule,
    check::{At, Checker},
    seen::Seen,
};

impl Checker<'_> {
    /// One of several schemas of the same value: what it spoke of counts where it holds.
    pub(super) fn branch<'v>(
        &mut self,
        id: NodeId,
        value: &'v Value,
        at: &At<'_>,
        seen: &mut Option<&mut Seen<'v>>,
    ) -> bool {
        let Some(all) = seen else {
            return self.check(id, value, at, None);
        };
        let mut own = Seen::default();
        let good = self.check(id, value, at, Some(&mut own));
        if good {
            self.step(own.names.len() as u64 + own.items.len() as u64);
            all.add(own);
        }
        good
    }

    pub(super) fn combination<'v>(
        &mut self,
        rule: &Rule,
        value: &'v Value,
        at: &At<'_>,
        seen: &mut Option<&mut Seen<'v>>,
    ) -> bool {
        match rule {
            Rule::Reference(id) => self.branch(*id, value, at, seen),
            Rule::AllOf(ids) => {
                let mut good = true;
                for id in ids {
                    good &= self.branch(*id, value, at, seen);
                    if self.gives_up(good) {
                        return false;
                    }
                }
                good
            }
            Rule::AnyOf(ids) => {
                let most = if seen.is_some() { usize::MAX } else { 1 };
                match self.matching(ids, value, seen, most) {
                    0 => self.none_of(ids, value, at),
                    _ => true,
                }
            }
            Rule::OneOf(ids) => match self.matching(ids, value, seen, 2) {
                0 => self.none_of(ids, value, at),
                1 => true,
                _ => self.fail(at, || "fits more than one of `oneOf`".into()),
            },
            Rule::Not(id) => {
                let holds = self.quietly(|it| it.check(*id, value, at, None));
                !holds || self.fail(at, || "is what `not` rules out".into())
            }
            Rule::If(rule) => {
                self.quiet += 1;
                let holds = self.branch(rule.condition, value, at, seen);
                self.quiet -= 1;
                let next = if holds { rule.then } else { rule.otherwise };
                next.is_none_or(|id| self.branch(id, value, at, seen))
            }
            Rule::UnevaluatedProperties(id) => self.left_over(*id, value, at, seen),
            _ => true,
        }
    }

    /// How many of the schemas hold, counted up to `most`.
    fn matching<'v>(
        &mut self,
        ids: &[NodeId],
        value: &'v Value,
        seen: &mut Option<&mut Seen<'v>>,
        most: usize,
    ) -> usize {
        self.quiet += 1;
        let mut count = 0;
        for id in ids {
            count += usize::from(self.branch(*id, value, &At::TOP, seen));
            if self.too_much || count >= most {
                break;
            }
        }
        self.quiet -= 1;
        count
    }

    /// Where only one of the schemas is for values of this kind, what is wrong by that one.
    fn none_of(&mut self, ids: &[NodeId], value: &Value, at: &At<'_>) -> bool {
        let kind = Kinds::of(value);
        let mut fitting = ids
            .iter()
            .filter(|id| self.schemas.node(**id).possible.has(kind));
        if let (0, Some(only), None) = (self.quiet, fitting.next(), fitting.next()) {
            return self.check(*only, value, at, None);
        }
        self.fail(at, || {
            format!("fits none of the {} forms that are allowed", ids.len())
        })
    }

    fn left_over<'v>(
        &mut self,
        id: NodeId,
        value: &'v Value,
        at: &At<'_>,
        seen: &mut Option<&mut Seen<'v>>,
    ) -> bool {
        let Value::Object(members) = value else {
            return true;
        };
        let mut good = true;
        for (name, value) in members {
            self.step(1);
            let spoken = seen
                .as_ref()
                .is_some_and(|it| it.names.contains(name.as_str()));
            if !spoken {
                good &= self.check(id, value, &at.name(name), None);
            }
            if self.gives_up(good) {
                return false;
            }
        }
        if let Some(seen) = seen {
            seen.names.extend(members.keys().map(String::as_str));
        }
        good
    }
}

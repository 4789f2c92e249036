//! What a schema says of lists.

use serde_json::Value;

use super::{
    Rule,
    check::{At, Checker},
    equal,
    node::{Contains, Items},
    seen::Seen,
};

impl Checker<'_> {
    pub(super) fn list<'v>(
        &mut self,
        rule: &Rule,
        items: &'v [Value],
        at: &At<'_>,
        seen: Option<&mut Seen<'v>>,
    ) -> bool {
        let count = items.len() as u64;
        match rule {
            Rule::MinItems(least) => {
                count >= *least || self.fail(at, || format!("has fewer than {least} items"))
            }
            Rule::MaxItems(most) => {
                count <= *most || self.fail(at, || format!("has more than {most} items"))
            }
            Rule::UniqueItems => {
                let (twice, looked_at) = equal::twice(items);
                self.step(looked_at);
                twice.is_none_or(|(one, other)| {
                    self.fail(at, || format!("items {one} and {other} are the same"))
                })
            }
            Rule::Items(rule) => self.items(rule, items, at, seen),
            Rule::Contains(rule) => self.contains(rule, items, at, seen),
            Rule::UnevaluatedItems(id) => {
                let mut good = true;
                for (place, item) in items.iter().enumerate() {
                    if seen.as_ref().is_some_and(|it| it.items.contains(&place)) {
                        continue;
                    }
                    good &= self.check(*id, item, &at.place(place), None);
                    if self.gives_up(good) {
                        return false;
                    }
                }
                if let Some(seen) = seen {
                    seen.items.extend(0..items.len());
                }
                good
            }
            _ => true,
        }
    }

    fn items(
        &mut self,
        rule: &Items,
        items: &[Value],
        at: &At<'_>,
        seen: Option<&mut Seen<'_>>,
    ) -> bool {
        let mut good = true;
        let mut spoken_of = 0;
        for (place, item) in items.iter().enumerate() {
            let Some(id) = rule.first.get(place).copied().or(rule.rest) else {
                break;
            };
            spoken_of = place + 1;
            good &= self.check(id, item, &at.place(place), None);
            if self.gives_up(good) {
                return false;
            }
        }
        if let Some(seen) = seen {
            seen.items.extend(0..spoken_of);
        }
        good
    }

    fn contains(
        &mut self,
        rule: &Contains,
        items: &[Value],
        at: &At<'_>,
        mut seen: Option<&mut Seen<'_>>,
    ) -> bool {
        let mut count = 0;
        for (place, item) in items.iter().enumerate() {
            if self.quietly(|it| it.check(rule.node, item, &at.place(place), None)) {
                count += 1;
                if let Some(seen) = seen.as_mut() {
                    seen.items.insert(place);
                }
            }
            if self.too_much {
                return false;
            }
        }
        let (least, most) = (rule.least, rule.most);
        if count < least {
            return self.fail(at, || {
                format!("fewer than {least} of its items fit `contains`")
            });
        }
        match most.filter(|most| count > *most) {
            Some(most) => self.fail(at, || {
                format!("more than {most} of its items fit `contains`")
            }),
            None => true,
        }
    }
}

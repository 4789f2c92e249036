//! Finds routes that only their names tell apart.
//!
//! Two are, where hosts, priority and paths meet, both or neither have methods, the methods meet, and all
//! other conditions are the same. Conditions that differ are never taken for ambiguous: whether
//! two expressions can hold at once is not decided here.

use std::{collections::HashMap, sync::Arc};

use http::Method;

use super::Condition;

/// Two routes whose order is decided only by their names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ambiguous {
    /// The one that is never reached by what both match.
    pub(crate) second: Arc<str>,
    /// The one that wins.
    pub(crate) first: Arc<str>,
}

/// The first route of the same conditions, by method.
#[derive(Default)]
struct Taken<'a> {
    any: Option<&'a Arc<Condition>>,
    methods: HashMap<&'a Method, &'a Arc<Condition>>,
}

/// Notes those among the conditions of one path, which are in their order. In time that grows with their
/// number, not with its square.
pub(super) fn note<'a>(
    conditions: impl IntoIterator<Item = &'a Arc<Condition>>,
    ambiguous: &mut Vec<Ambiguous>,
) {
    let mut conditions = conditions.into_iter().filter(|it| it.good);
    let (Some(one), Some(two)) = (conditions.next(), conditions.next()) else {
        return;
    };
    let mut groups: HashMap<Vec<String>, Taken<'_>> = HashMap::new();
    for condition in [one, two].into_iter().chain(conditions) {
        let group = groups.entry(condition.canonical()).or_default();
        if let Some(first) = group.take(condition)
            && !Arc::ptr_eq(first, condition)
        {
            ambiguous.push(Ambiguous {
                second: Arc::clone(&condition.route.name),
                first: Arc::clone(&first.route.name),
            });
        }
    }
}

impl<'a> Taken<'a> {
    /// Takes what a condition asks for; whoever has taken part of it before, if anybody.
    fn take(&mut self, condition: &'a Arc<Condition>) -> Option<&'a Arc<Condition>> {
        if condition.methods.is_empty() {
            let first = self.any;
            self.any = first.or(Some(condition));
            return first;
        }
        let mut first = None;
        for method in &condition.methods {
            let owner = *self.methods.entry(method).or_insert(condition);
            if !Arc::ptr_eq(owner, condition) {
                first = first.or(Some(owner));
            }
        }
        first
    }
}

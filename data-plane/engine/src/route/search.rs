//! A search under way, over all hosts.

use std::sync::Arc;

use http::Method;
use smallvec::SmallVec;

use super::{Condition, Matched, Miss, Query, facts::Facts};

/// What a search has come by.
pub(super) struct Search<'s, 'q> {
    pub(super) query: &'q Query<'q>,
    /// Those that match but for their methods. Common where routes share a path, so few are kept in
    /// place.
    allowed: SmallVec<[&'s Condition; 8]>,
    /// What has been read of the request for conditions that few routes have.
    facts: Option<Box<Facts<'q>>>,
    /// Why it has ended: nothing is accepted any more.
    ended: Option<Miss>,
}

impl<'s, 'q> Search<'s, 'q> {
    pub(super) fn new(query: &'q Query<'q>) -> Self {
        Self {
            query,
            allowed: SmallVec::new(),
            facts: None,
            ended: None,
        }
    }

    pub(super) fn miss(self) -> Miss {
        if let Some(ended) = self.ended {
            return ended;
        }
        if self.allowed.is_empty() {
            return Miss::NoRoute;
        }
        let methods = self
            .allowed
            .iter()
            .flat_map(|condition| condition.methods.iter());
        let mut methods: Vec<Method> = methods.cloned().collect();
        methods.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        methods.dedup();
        Miss::MethodNotAllowed(methods)
    }

    /// The first condition that accepts the request.
    pub(super) fn first(&mut self, conditions: &'s [Arc<Condition>]) -> Option<&'s Arc<Condition>> {
        conditions.iter().find(|condition| self.accepts(condition))
    }

    pub(super) fn accepts(&mut self, condition: &'s Condition) -> bool {
        if self.ended.is_some() || !condition.headers_match(self.query.headers) {
            return false;
        }
        let fits = condition.methods.is_empty() || condition.methods.contains(self.query.method);
        let holds = match &condition.further {
            None => true,
            Some(further) => {
                let facts = self.facts.get_or_insert_with(|| Facts::of(self.query));
                match further.head_holds(facts) {
                    // The body is not read to find out which methods are allowed.
                    Ok(true) if fits => self.body_holds(further),
                    Ok(holds) => holds,
                    Err(miss) => {
                        self.ended = fits.then_some(miss);
                        false
                    }
                }
            }
        };
        if holds && !fits {
            self.allowed.push(condition);
        }
        holds && fits
    }

    fn body_holds(&mut self, further: &super::Further) -> bool {
        let (Some(payload), Some(facts)) = (&further.payload, &self.facts) else {
            return true;
        };
        payload.holds(facts).unwrap_or_else(|miss| {
            self.ended = Some(miss);
            false
        })
    }
}

pub(super) fn matched(condition: &Arc<Condition>, prefix_bytes: usize) -> Matched<'_> {
    Matched {
        route: &condition.route,
        prefix_bytes,
        parameters: Vec::new(),
    }
}

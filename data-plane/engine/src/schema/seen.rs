//! Which members and items a schema has spoken of: what is left is for `unevaluatedProperties` and `unevaluatedItems`.

use std::collections::HashSet;

/// What was spoken of, of one value.
#[derive(Debug, Default)]
pub(super) struct Seen<'v> {
    pub(super) names: HashSet<&'v str>,
    pub(super) items: HashSet<usize>,
}

impl Seen<'_> {
    pub(super) fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.items.extend(other.items);
    }
}

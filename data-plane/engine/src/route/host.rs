//! The routes of one host, by priority.

use super::{Ambiguous, Matched, index::PathIndex, regexes::Sets, search::Search};

/// Paths by priority. There may be one a host, and many hosts, so what most have none of is apart.
#[derive(Debug, Default)]
pub(super) struct HostIndex {
    /// Those of priority 0, as nearly all are.
    usual: PathIndex,
    others: Option<Box<Others>>,
}

/// Those of other priorities, highest first.
#[derive(Debug, Default)]
struct Others {
    above: Vec<Level>,
    below: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    priority: i32,
    paths: PathIndex,
}

impl HostIndex {
    /// Where routes of a priority stand.
    pub(super) fn level(&mut self, priority: i32) -> &mut PathIndex {
        if priority == 0 {
            return &mut self.usual;
        }
        let others = self.others.get_or_insert_default();
        let levels = if priority > 0 {
            &mut others.above
        } else {
            &mut others.below
        };
        let place = levels.partition_point(|level| level.priority > priority);
        if levels.get(place).is_none_or(|it| it.priority != priority) {
            let paths = PathIndex::default();
            levels.insert(place, Level { priority, paths });
        }
        &mut levels[place].paths
    }

    /// To be called once, when all routes are in.
    pub(super) fn finish(&mut self, sets: &mut Sets, ambiguous: &mut Vec<Ambiguous>) {
        self.usual.finish(sets, ambiguous);
        if let Some(others) = &mut self.others {
            for level in others.above.iter_mut().chain(&mut others.below) {
                level.paths.finish(sets, ambiguous);
            }
        }
    }

    pub(super) fn find<'s>(&'s self, search: &mut Search<'s, '_>) -> Option<Matched<'s>> {
        let Some(others) = &self.others else {
            return self.usual.find(search);
        };
        let levels = |list: &'s [Level]| list.iter().map(|level| &level.paths);
        let mut all = levels(&others.above)
            .chain([&self.usual])
            .chain(levels(&others.below));
        all.find_map(|paths| paths.find(search))
    }
}

//! What went to the new service, and what still goes to the legacy.

use std::{
    array,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Method;

use super::shape::shape;

/// Methods that are told apart.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];
/// Most kinds of requests that are told apart.
const MAX_PATHS: usize = 64;

/// Which way a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the new service, which answered.
    New,
    /// To the legacy at once.
    Legacy,
    /// To the new service, and from there to the legacy.
    FellThrough,
}

impl Way {
    /// All, in order of their place.
    pub const ALL: [Self; 3] = [Self::New, Self::Legacy, Self::FellThrough];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Legacy => "legacy",
            Self::FellThrough => "fell_through",
        }
    }
}

/// One kind of request that still goes to the legacy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyPath {
    /// Its method.
    pub method: &'static str,
    /// Its path, `{}` for what looks like a value.
    pub path: String,
    /// How many went to the legacy at once.
    pub direct: u64,
    /// How many fell through.
    pub fell_through: u64,
    /// How many of these may have been of other kinds.
    pub error: u64,
}

impl LegacyPath {
    const fn total(&self) -> u64 {
        self.direct + self.fell_through
    }

    fn count(&mut self, way: Way) {
        match way {
            Way::FellThrough => self.fell_through += 1,
            Way::New | Way::Legacy => self.direct += 1,
        }
    }
}

/// Counters of one route, shared by all workers.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [[AtomicU64; Way::ALL.len()]; METHODS.len()],
    /// The most frequent kinds that go to the legacy (Metwally, Agrawal and El Abbadi, "Efficient Computation of
    /// Frequent and Top-k Elements in Data Streams", 2005): any with more than a 64th of the requests is among them.
    paths: Mutex<Vec<LegacyPath>>,
}

fn place(method: &Method) -> usize {
    let known = METHODS.iter().position(|it| *it == method.as_str());
    known.unwrap_or(METHODS.len() - 1)
}

impl Tally {
    /// Counts a request.
    pub fn count(&self, (method, path): (&Method, &str), way: Way) {
        let method = place(method);
        self.counts[method][way as usize].fetch_add(1, Ordering::Relaxed);
        if way == Way::New {
            return;
        }
        let (method, path) = (METHODS[method], shape(path));
        let mut paths = self.paths();
        if let Some(known) = paths
            .iter_mut()
            .find(|it| it.method == method && it.path == path)
        {
            known.count(way);
            return;
        }
        let mut new = LegacyPath {
            method,
            path,
            direct: 0,
            fell_through: 0,
            error: 0,
        };
        if paths.len() < MAX_PATHS {
            new.count(way);
            paths.push(new);
        } else if let Some(least) = paths.iter_mut().min_by_key(|it| it.total()) {
            // It takes over what the rarest had, which bounds by how much it is overestimated.
            new.error = least.total();
            new.direct = least.direct;
            new.fell_through = least.fell_through;
            new.count(way);
            *least = new;
        }
    }

    /// How many requests went this way, by method.
    pub fn by_method(&self, way: Way) -> [(&'static str, u64); METHODS.len()] {
        array::from_fn(|place| {
            let count = self.counts[place][way as usize].load(Ordering::Relaxed);
            (METHODS[place], count)
        })
    }

    /// How many requests went this way.
    pub fn total(&self, way: Way) -> u64 {
        self.by_method(way).iter().map(|(_, count)| count).sum()
    }

    /// What goes to the legacy most, the most frequent first.
    pub fn top(&self, most: usize) -> Vec<LegacyPath> {
        let mut paths = self.paths().clone();
        paths.sort_by(|one, other| {
            let place =
                |it: &LegacyPath| (std::cmp::Reverse(it.total()), it.method, it.path.clone());
            place(one).cmp(&place(other))
        });
        paths.truncate(most);
        paths
    }

    fn paths(&self) -> MutexGuard<'_, Vec<LegacyPath>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{MAX_PATHS, Tally, Way};

    #[test]
    fn what_goes_to_the_legacy_is_counted_by_kind() {
        let tally = Tally::default();
        for order in 0..5 {
            tally.count(
                (&Method::GET, &format!("/orders/{order}")),
                Way::FellThrough,
            );
        }
        tally.count((&Method::GET, "/orders/9"), Way::Legacy);
        tally.count((&Method::POST, "/orders"), Way::Legacy);
        tally.count((&Method::POST, "/orders"), Way::New);
        let top = tally.top(10);
        let rows: Vec<_> = top
            .iter()
            .map(|it| (it.method, it.path.as_str(), it.direct, it.fell_through))
            .collect();
        assert_eq!(
            rows,
            [("GET", "/orders/{}", 1, 5), ("POST", "/orders", 1, 0)]
        );
        assert_eq!(Way::ALL.map(|way| tally.total(way)), [1, 2, 5]);
        assert_eq!(tally.by_method(Way::FellThrough)[0], ("GET", 5));
    }

    #[test]
    fn what_is_frequent_stays_among_many_that_are_rare() {
        let tally = Tally::default();
        let word = |number: usize| -> String {
            let letters = [number / 26 % 26, number % 26].map(|it| char::from(b'a' + it as u8));
            letters.iter().collect()
        };
        for number in 0..600 {
            tally.count((&Method::GET, &format!("/{}", word(number))), Way::Legacy);
            tally.count((&Method::GET, "/often"), Way::FellThrough);
        }
        let top = tally.top(usize::MAX);
        assert_eq!(top.len(), MAX_PATHS);
        assert_eq!((top[0].path.as_str(), top[0].fell_through), ("/often", 600));
    }
}

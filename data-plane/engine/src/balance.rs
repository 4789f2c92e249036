//! Picks a target. Pure: what must survive configuration changes (the [`Cursor`], the requests in
//! flight) belongs to the caller. Workers are single threads, so each has its own cursor and none
//! is locked.

use gatewright_proto::v1::Balancer;
use rand::Rng;
use smallvec::SmallVec;

#[cfg(test)]
mod tests;

/// What a balancer knows of one address.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// 0 gets nothing.
    pub weight: u32,
    /// Requests in flight to it from this node.
    pub in_flight: u32,
}

/// State of the round robin, one an upstream and worker.
#[derive(Debug, Default)]
pub struct Cursor {
    /// How much each candidate is owed, by place in the slice.
    credit: SmallVec<[i64; 4]>,
}

impl Cursor {
    /// Picks a candidate and answers its place; `tried` are places not to pick again. None where
    /// all that have weight were tried.
    pub fn pick(
        &mut self,
        balancer: Balancer,
        candidates: &[Candidate],
        tried: &[usize],
    ) -> Option<usize> {
        match balancer {
            Balancer::RoundRobin => self.round_robin(candidates, tried),
            Balancer::LeastRequest => least_request(candidates, tried, &mut rand::rng()),
        }
    }

    /// Smooth weighted round robin: each is owed its weight at every pick, the one that is owed
    /// most is picked and pays the sum. Weights 5, 1, 1 give `a a b a c a a`, not five in a row.
    fn round_robin(&mut self, candidates: &[Candidate], tried: &[usize]) -> Option<usize> {
        if self.credit.len() != candidates.len() {
            self.credit.clear();
            self.credit.resize(candidates.len(), 0);
        }
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (place, candidate) in open(candidates, tried) {
            let weight = i64::from(candidate.weight);
            total += weight;
            self.credit[place] += weight;
            if best.is_none_or(|(_, most)| self.credit[place] > most) {
                best = Some((place, self.credit[place]));
            }
        }
        let (place, _) = best?;
        self.credit[place] -= total;
        Some(place)
    }
}

/// Of two drawn at random, each as often as its weight says, the one with fewer requests in flight
/// over its weight; the first when equal, so that an idle upstream is still shared by weight.
fn least_request(
    candidates: &[Candidate],
    tried: &[usize],
    random: &mut impl Rng,
) -> Option<usize> {
    let total: u64 = open(candidates, tried)
        .map(|(_, candidate)| u64::from(candidate.weight))
        .sum();
    if total == 0 {
        return None;
    }
    let first = draw(candidates, tried, random.random_range(0..total))?;
    let second = draw(candidates, tried, random.random_range(0..total))?;
    if is_less_loaded(candidates[second], candidates[first]) {
        Some(second)
    } else {
        Some(first)
    }
}

/// Compares `in_flight / weight` without dividing.
fn is_less_loaded(one: Candidate, other: Candidate) -> bool {
    let load = |of: Candidate, over: Candidate| u64::from(of.in_flight) * u64::from(over.weight);
    load(one, other) < load(other, one)
}

/// The candidate on which a point of the line of all weights falls.
fn draw(candidates: &[Candidate], tried: &[usize], point: u64) -> Option<usize> {
    let mut passed = 0;
    open(candidates, tried)
        .find(|(_, candidate)| {
            passed += u64::from(candidate.weight);
            point < passed
        })
        .map(|(place, _)| place)
}

/// Those that may be picked.
fn open<'a>(
    candidates: &'a [Candidate],
    tried: &'a [usize],
) -> impl Iterator<Item = (usize, Candidate)> {
    candidates
        .iter()
        .copied()
        .enumerate()
        .filter(|(place, candidate)| candidate.weight > 0 && !tried.contains(place))
}

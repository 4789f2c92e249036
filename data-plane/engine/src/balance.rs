//! Picks a target. Pure: what must survive configuration changes (requests in flight, estimates) belongs to
//! the caller, who is asked through [`Sight`]; what follows from the addresses ([`Plan`]) and from who can
//! be used ([`Standing`]) is worked out when those change. Workers are single threads, so each has its
//! own [`Cursor`] and none waits for another.

mod chance;
mod ewma;
mod key;
mod level;
mod maglev;
mod plan;
mod ramp;
mod ring;
mod spec;
mod standing;
#[cfg(test)]
mod tests;
mod turn;
mod xxhash;

use gatewright_proto::v1::Balancer;
use rand::Rng;

pub use ewma::Ewma;
pub use key::{Generated, HashBy, HashPolicy, Keyed};
pub use plan::{Member, Plan};
pub use ramp::SlowStart;
pub use spec::{BalanceSpec, Session};
use standing::Open;
pub use standing::Standing;
use turn::Turns;
use xxhash::xxh64;

/// Most steps along a ring or table before any that is open is taken instead.
const MAX_STEPS: usize = 4096;

/// What a balancer may ask of an address, by its place. Asked only of those that are looked at.
pub trait Sight {
    /// Whether it can be used now.
    fn is_usable(&self, place: usize) -> bool;
    /// Whether this request was sent to any before.
    fn is_repeat(&self) -> bool;
    /// Whether this request was sent to it before.
    fn was_tried(&self, place: usize) -> bool;
    /// Requests in flight to it from this node.
    fn in_flight(&self, place: usize) -> u32;
    /// Requests in flight to all of the upstream.
    fn in_flight_of_all(&self) -> u32;
    /// What a further request to it costs ([`Ewma::cost`]).
    fn cost(&self, place: usize) -> f64;
    /// The part of its weight that it counts for ([`SlowStart::share`]), 0 to 1.
    fn ramp(&self, place: usize) -> f64;
}

/// A request for an address.
#[derive(Debug)]
pub struct Ask<'a, S> {
    /// What follows from the addresses.
    pub plan: &'a Plan,
    /// Who is open.
    pub standing: &'a Standing,
    /// How they are now.
    pub sight: &'a S,
    /// What of the request is hashed.
    pub key: Option<u64>,
}

/// Whose turn it is, one an upstream and worker.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The standing that the turns are of.
    standing: u64,
    /// By level.
    turns: Vec<Turns>,
}

impl Cursor {
    /// Picks an address and answers its place. None where all that are open were tried.
    pub fn pick<S: Sight>(&mut self, ask: &Ask<'_, S>, random: &mut impl Rng) -> Option<usize> {
        let standing = ask.standing;
        let preferred = match (standing.levels.as_slice(), ask.key) {
            ([_], _) => standing.level(0.0)?,
            // Another hash: with the key itself, only a part of each ring would get any.
            (_, Some(key)) => standing.level(unit(xxh64(&key.to_le_bytes(), 1)))?,
            (_, None) => standing.level(random.random())?,
        };
        self.pick_in(preferred, ask, random).or_else(|| {
            let mut others = (0..standing.levels.len()).filter(|&level| level != preferred);
            others.find_map(|level| self.pick_in(level, ask, random))
        })
    }

    fn pick_in<S: Sight>(
        &mut self,
        level: usize,
        ask: &Ask<'_, S>,
        random: &mut impl Rng,
    ) -> Option<usize> {
        let (open, sight) = (&ask.standing.levels[level], ask.sight);
        if open.places.is_empty() {
            return None;
        }
        let spec = &ask.plan.spec;
        match (spec.balancer, ask.key) {
            // Taking the next one's turn would have all requests begin at the one that fails; taking none
            // would send all of them to its neighbour.
            (Balancer::RoundRobin, _) if sight.is_repeat() => chance::draw(open, sight, random),
            (Balancer::RoundRobin, _) => {
                self.follow(ask, random);
                self.turns[level].next(|place| ask.weight(place))
            }
            (Balancer::LeastRequest, _) => {
                let load = |place| f64::from(sight.in_flight(place)) / ask.weight(place);
                chance::least(open, spec.choice_count, load, (sight, random))
            }
            (Balancer::PeakEwma, _) => {
                let load = |place| sight.cost(place);
                chance::least(open, spec.choice_count, load, (sight, random))
            }
            (Balancer::RingHash | Balancer::Maglev, Some(key)) => {
                hashed(level, ask, key).or_else(|| chance::draw(open, sight, random))
            }
            (Balancer::Random | Balancer::RingHash | Balancer::Maglev, _) => {
                chance::draw(open, sight, random)
            }
        }
    }

    /// Begins the turns anew where who is open has changed.
    fn follow<S: Sight>(&mut self, ask: &Ask<'_, S>, random: &mut impl Rng) {
        if self.standing == ask.standing.id {
            return;
        }
        self.standing = ask.standing.id;
        let levels = ask.standing.levels.iter();
        let begin = |it: &Open| Turns::begin(&it.places, |place| ask.weight(place), random);
        self.turns = levels.map(begin).collect();
    }
}

impl<S: Sight> Ask<'_, S> {
    /// What an address counts for now.
    fn weight(&self, place: usize) -> f64 {
        f64::from(self.plan.weights[place]) * self.sight.ramp(place)
    }
}

/// Where a key belongs: the first along the ring or table that is open and not full; where all are full,
/// the first that is open.
fn hashed<S: Sight>(level: usize, ask: &Ask<'_, S>, key: u64) -> Option<usize> {
    let (plan, open, sight) = (ask.plan, &ask.standing.levels[level], ask.sight);
    let is_open =
        |&place: &usize| (open.panic || sight.is_usable(place)) && !sight.was_tried(place);
    let table = &plan.levels[level].table;
    let mut places = table.walk(key).take(MAX_STEPS).filter(is_open);
    let first = places.next()?;
    let Some(percent) = plan.spec.hash_balance_percent else {
        return Some(first);
    };
    // What each may have of all requests, this one included (Mirrokni et al., "Consistent Hashing with
    // Bounded Loads").
    let all = f64::from(percent) / 100.0 * (f64::from(sight.in_flight_of_all()) + 1.0);
    let has_room = |&place: &usize| {
        let bound = (all * f64::from(plan.weights[place]) / open.total as f64).ceil();
        f64::from(sight.in_flight(place)) < bound
    };
    let roomy = std::iter::once(first).chain(places).find(has_room);
    roomy.or(Some(first))
}

/// A hash as a point, 0 to 1.
fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

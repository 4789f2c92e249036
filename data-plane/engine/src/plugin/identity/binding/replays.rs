//! Which proofs were seen lately, so that none counts twice on this node.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// Parts that are locked apart from each other.
const PARTS: usize = 16;
/// Most proofs of a part within the time that proofs are remembered for.
const MAX_PROOFS: usize = 16_384;

/// What is known of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    First,
    Again,
    /// Too many were seen to remember another one. To forget one instead would let it be used again.
    Full,
}

/// Which proofs were seen lately: by their digests, those of two spans of time.
#[derive(Debug, Default)]
pub(super) struct Replays([Mutex<Part>; PARTS]);

#[derive(Debug, Default)]
struct Part {
    /// When the younger span began, in seconds since 1970.
    since: u64,
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl Replays {
    /// Notes a proof, to be remembered for this many seconds at least.
    pub(super) fn take(&self, id: [u8; 32], seconds: u64, now: u64) -> Replay {
        let part = &self.0[usize::from(id[0]) % PARTS];
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        part.turn(seconds, now);
        if part.young.contains(&id) || part.old.contains(&id) {
            return Replay::Again;
        }
        if part.young.len() >= MAX_PROOFS {
            return Replay::Full;
        }
        part.young.insert(id);
        Replay::First
    }
}

impl Part {
    /// Begins another span where the last one is over. What is forgotten is older than a whole span.
    fn turn(&mut self, seconds: u64, now: u64) {
        if now < self.since.saturating_add(seconds) {
            return;
        }
        let before = std::mem::take(&mut self.young);
        self.old = match now < self.since.saturating_add(2 * seconds) {
            true => before,
            false => HashSet::new(),
        };
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PROOFS, PARTS, Replay, Replays};

    fn id(number: usize) -> [u8; 32] {
        let mut id = [0; 32];
        id[1..9].copy_from_slice(&number.to_le_bytes());
        id
    }

    #[test]
    fn a_proof_counts_once_for_as_long_as_it_may_be_accepted() {
        let replays = Replays::default();
        assert_eq!(replays.take(id(1), 60, 1000), Replay::First);
        for now in [1000, 1030, 1060] {
            assert_eq!(replays.take(id(1), 60, now), Replay::Again, "{now}");
        }
        assert_eq!(replays.take(id(2), 60, 1060), Replay::First);
        assert_eq!(replays.take(id(1), 60, 2000), Replay::First, "long gone");
    }

    #[test]
    fn where_too_many_were_seen_another_one_is_refused_until_the_span_is_over() {
        let replays = Replays::default();
        for number in 0..MAX_PROOFS {
            assert_eq!(replays.take(id(number), 60, 1000), Replay::First);
        }
        assert_eq!(replays.take(id(MAX_PROOFS), 60, 1000), Replay::Full);
        assert_eq!(replays.take(id(0), 60, 1000), Replay::Again);
        assert_eq!(replays.take(id(MAX_PROOFS), 60, 1060), Replay::First);
        assert!(PARTS.is_power_of_two());
    }
}

//! Several attempts at the same time, of which the first good response wins.

use std::time::Duration;

/// A compiled hedge policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// Attempts beside the first, 1 to 5.
    pub attempts: u32,
    /// Time without a response after which the next begins.
    pub delay: Option<Duration>,
    /// Whether the time of one attempt begins another instead of ending the first.
    pub on_per_try_timeout: bool,
}

impl Hedge {
    /// How long after the beginning of the latest attempt the next one begins; none is never. `hedges` have
    /// begun so far.
    pub fn wait(&self, hedges: u32, per_try: Option<Duration>) -> Option<Duration> {
        if hedges >= self.attempts {
            return None;
        }
        let of_try = per_try.filter(|_| self.on_per_try_timeout);
        match (self.delay, of_try) {
            (Some(delay), Some(of_try)) => Some(delay.min(of_try)),
            (delay, of_try) => delay.or(of_try),
        }
    }
}

/// What an attempt's end means among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is the answer, and the others are reset.
    Wins,
    /// It is forgotten: another may do better.
    Discarded,
    /// It is the last, and decides what comes next.
    Last,
}

/// Judges an end that is good (nothing to retry) or not, with so many other attempts still under way.
pub const fn judge(good: bool, others: usize) -> Judgement {
    match (good, others) {
        (true, _) => Judgement::Wins,
        (false, 0) => Judgement::Last,
        (false, _) => Judgement::Discarded,
    }
}

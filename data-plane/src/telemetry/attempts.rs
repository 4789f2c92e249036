//! The attempts of one exchange, for its access line and its spans.

use std::{net::SocketAddr, time::Instant};

use gatewright_engine::{outcome::Outcome, retry::Reason};
use serde::Serialize;
use smallvec::SmallVec;

/// One attempt.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) target: SocketAddr,
    pub(crate) began: Instant,
    /// Why there was another attempt before it; none for the first.
    pub(crate) why: Option<Reason>,
    /// What became of it; none while it is under way.
    pub(crate) outcome: Option<Outcome>,
    /// Its own span; zero where there is none.
    pub(crate) span: u64,
}

/// In the order in which they began. Most exchanges have one.
pub(crate) type Attempts = SmallVec<[Sent; 1]>;

/// One attempt in the access line.
#[derive(Serialize)]
pub(super) struct Tried {
    target: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// None where nobody waited for its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
}

/// What the access line says of each; nothing where there was only one.
pub(super) fn tried(attempts: &Attempts) -> Vec<Tried> {
    if attempts.len() < 2 {
        return Vec::new();
    }
    let line = |sent: &Sent| Tried {
        target: sent.target,
        why: sent.why.map(Reason::as_str),
        end: sent.outcome.map_or("abandoned", |it| it.end.as_str()),
        status: sent.outcome.and_then(|it| Some(it.status()?.as_u16())),
        ms: sent.outcome.map(|it| super::line::milliseconds(it.took)),
    };
    attempts.iter().map(line).collect()
}

//! Picks a target. State that must survive configuration changes belongs to the caller.

/// What a balancer knows of one address.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// 0 gets nothing.
    pub weight: u32,
    /// Requests in flight to it from this node.
    pub in_flight: u32,
}

/// State of the round robin.
#[derive(Debug, Default)]
pub struct Cursor;

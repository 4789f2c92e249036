//! Whether targets can be used: what has been found out about each. Owned by the target, and shared by all
//! routes that lead to it.

mod state;

pub(crate) use state::Health;

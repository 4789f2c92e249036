//! The stream to the nodes: what each lacks, one delta at a time.
//!
//! A session belongs to one node's stream. It remembers the revision that the node has acknowledged and
//! where the node deviates from it, nothing else, so a slow node costs no memory: what is committed in the
//! meantime is part of the next delta. Resources are encoded once, in the catalog.
//!
//! What a node refused is parked: it is not sent again until its content changes. The node itself tries it
//! again with each later delta, and after an upgrade.

mod fleet;
mod metrics;
mod nodes;
mod server;

mod holding;
mod identity;
mod parts;
mod plan;
mod session;

pub use fleet::{Fleet, Listed, NotApplied};
pub(crate) use metrics::StreamCounters;
pub use metrics::{ANSWER_BOUNDS_MS, Metrics};
pub use nodes::{Lagging, NodeState, NodeView, Nodes, Refusal};
pub use server::{Discovery, Limits, Options, serve, serve_with};

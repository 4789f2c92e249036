//! The stream to the nodes: what each lacks, one delta at a time.
//!
//! A session ([`session`]) belongs to one node's stream. It remembers the revision that the node has
//! acknowledged and what it refused, nothing else, so a slow node costs no memory: what is committed in the
//! meantime is part of the next delta. Resources are encoded once, in the catalog.

mod nodes;
mod plan;
mod server;
mod session;

pub use nodes::{Lagging, NodeView, Nodes};
pub use server::{Options, serve};

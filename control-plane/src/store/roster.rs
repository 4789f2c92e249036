//! Who is connected where: what control planes tell each other of their nodes. Nothing of it is
//! configuration, and none of it is needed to serve.

use async_trait::async_trait;

use super::StoreError;

/// A control plane among those of its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Differs for each start of its process.
    pub instance: String,
    /// Its name, for people.
    pub name: String,
}

/// What a control plane tells of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// Its name.
    pub node_id: String,
    /// Orders its streams: a later one's is larger.
    pub stream: u64,
    /// Whether the stream is open.
    pub connected: bool,
    /// What it has applied.
    pub applied_revision: u64,
    /// Its document; empty: as it was.
    pub body: String,
    /// How its parts fare, as JSON; empty: as it was, on the same stream.
    pub facts: String,
}

/// A node that is connected to another control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeElsewhere {
    /// That one's name.
    pub control_plane: String,
    /// What it tells.
    pub row: NodeRow,
}

/// What a node has applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its name.
    pub node_id: String,
    /// Its stream.
    pub stream: u64,
    /// The revision.
    pub revision: u64,
}

/// The list of nodes that control planes share.
#[async_trait]
pub trait Roster {
    /// Says that a control plane lives, and forgets those that have not for a long time, with their
    /// nodes.
    async fn beat(&self, member: &Member) -> Result<(), StoreError>;

    /// Says that a control plane ends: its nodes count no longer.
    async fn leave(&self, member: &Member) -> Result<(), StoreError>;

    /// Writes what a control plane knows of these nodes, in one statement, each once. A row that a later
    /// stream has written stays as it is.
    async fn tell(&self, instance: &str, rows: &[NodeRow]) -> Result<(), StoreError>;

    /// What nodes have applied that are connected to other control planes which have lived within
    /// `alive_ms`.
    async fn applied_elsewhere(
        &self,
        instance: &str,
        alive_ms: i64,
    ) -> Result<Vec<Applied>, StoreError>;

    /// All that is known of these nodes.
    async fn nodes_elsewhere(
        &self,
        instance: &str,
        alive_ms: i64,
    ) -> Result<Vec<NodeElsewhere>, StoreError>;

    /// Returns when something may have been told since the last call: by anyone (Postgres), or by this
    /// process (SQLite). A hint, for one caller at a time; polling is the truth.
    async fn told(&self);
}

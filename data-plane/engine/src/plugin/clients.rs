//! What plugins need done outside the engine, which has no threads and no sockets. The node hands it in
//! with the [`super::Registry`]; the control plane, which only checks settings, has none of it.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// What the node does for its plugins. What is missing makes a plugin that needs it refuse requests.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// For what would stall a worker.
    pub heavy: Option<Arc<dyn Heavy>>,
}

/// Runs what takes long on threads of its own, a bounded number at a time.
pub trait Heavy: Send + Sync + fmt::Debug {
    /// Begins a job, or queues it; none where too many wait already.
    fn run(&self, job: Job) -> Option<Pending>;
}

/// A question that takes long to answer.
pub type Job = Box<dyn FnOnce() -> bool + Send>;

/// Its answer; none where nobody answers any more. Dropped, a job that has not begun never does.
pub type Pending = Pin<Box<dyn Future<Output = Option<bool>> + Send>>;

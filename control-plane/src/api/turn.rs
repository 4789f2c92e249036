//! How many may ask at a time for what compiles a configuration or looks at all of it. More are told to come back:
//! they would take the machine from the writers and from each other.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;

/// Most explanations, chains and diffs at a time.
const MAX_TURNS: usize = 4;

/// Who may ask now.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

/// May ask, until it is dropped. It goes with the work, not with the request: that may be given up while the work
/// goes on.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_TURNS)))
    }
}

impl Turns {
    /// A turn, if there is one.
    ///
    /// # Errors
    /// As many as there may be are under way.
    pub(super) fn take(&self) -> Result<Turn, ApiError> {
        let turn = Arc::clone(&self.0).try_acquire_owned();
        let busy = |_| ApiError::TooMany("too many explanations, chains or diffs at a time");
        turn.map(Turn).map_err(busy)
    }
}

//! The connections to one origin.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::connection::{Place, Shared};
use crate::connect::{Origin, SendError};

/// Most connections to an origin, a worker, where no more are wanted. Beyond their streams, requests wait for one.
const MAX_CONNECTIONS: usize = 4;

/// Connections to one origin, in the order they were opened.
#[derive(Debug, Default)]
pub(super) struct Lane {
    connections: Mutex<Vec<Shared>>,
    /// Held while one is opened: requests that come together share it.
    pub(super) opening: tokio::sync::Mutex<()>,
}

impl Lane {
    /// A place on a connection that takes streams, opened where there is none.
    ///
    /// # Errors
    /// None can be opened, or not in this time.
    pub(super) async fn place(
        self: &Arc<Self>,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Place, SendError> {
        match &origin.link.gate {
            None => self.unlimited(origin, patience).await,
            // Boxed, so that the future of most requests makes no room for it.
            Some(gate) => Box::pin(self.limited(gate, origin, patience)).await,
        }
    }

    async fn unlimited(
        self: &Arc<Self>,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Place, SendError> {
        let deadline = Instant::now() + patience;
        let late = |_| SendError::ConnectTimeout(patience);
        let wanted = origin.link.connections;
        loop {
            if let Some(place) = self.room(wanted) {
                return Ok(place);
            }
            let Ok(_opening) = self.opening.try_lock() else {
                // Another one is on its way; until it is there, those that are serve.
                if let Some(place) = self.room(1) {
                    return Ok(place);
                }
                let waited = timeout_at(deadline, self.opening.lock()).await;
                drop(waited.map_err(late)?);
                continue;
            };
            if let Some(place) = self.crowded(wanted) {
                return Ok(place);
            }
            let opened = Shared::open(origin, deadline, patience, Arc::downgrade(self)).await;
            let opened = match opened {
                Ok(opened) => opened,
                // One more would have been better, but there is room.
                Err(error) => return self.room(1).ok_or(error),
            };
            let place = opened.place(false);
            self.all().push(opened);
            return Ok(place);
        }
    }

    /// Whether nobody would miss it.
    pub(super) fn is_unused(&self) -> bool {
        self.all().is_empty() && self.opening.try_lock().is_ok()
    }

    /// Lets go of connections that take no more streams.
    pub(super) fn forget_gone(&self) {
        drop(self.all());
    }

    /// Where one connection is wanted, the first with room: the others may come to rest. Where more are, the least
    /// used with room; none where all are in use and there are too few.
    pub(super) fn room(&self, wanted: usize) -> Option<Place> {
        let all = self.all();
        let mut roomy = all.iter().filter(|connection| connection.has_room());
        if wanted <= 1 {
            return roomy.next().map(|connection| connection.place(true));
        }
        let least = roomy.min_by_key(|connection| connection.streams())?;
        let enough = all.len() >= wanted || least.streams() == 0;
        enough.then(|| least.place(true))
    }

    /// On the least used, where there are as many as there may be: its connection opens the stream when
    /// another ends.
    fn crowded(&self, wanted: usize) -> Option<Place> {
        let all = self.all();
        if all.len() < wanted.max(MAX_CONNECTIONS) {
            return None;
        }
        let least = all.iter().min_by_key(|connection| connection.streams());
        least.map(|connection| connection.place(true))
    }

    /// All that are not gone.
    pub(super) fn all(&self) -> MutexGuard<'_, Vec<Shared>> {
        let connections = self.connections.lock();
        let mut connections = connections.unwrap_or_else(PoisonError::into_inner);
        connections.retain_mut(|connection| !connection.is_gone());
        connections
    }
}

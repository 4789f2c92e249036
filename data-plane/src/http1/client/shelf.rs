//! Idle connections, by origin; the one used last goes first.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::connection::Upstream;
use crate::connect::Origin;

/// Idle connections kept for one origin.
const MAX_IDLE: usize = 1024;
/// How long one may be idle. Most servers close after a minute or more.
const MAX_AGE: Duration = Duration::from_secs(55);

#[derive(Debug, Default)]
pub(super) struct Shelf {
    idle: Mutex<HashMap<Origin, Vec<(Instant, Upstream)>>>,
}

impl Shelf {
    /// A connection that seems to be alive.
    pub(super) fn take(&self, origin: &Origin) -> Option<Upstream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.get_mut(origin)?;
        while let Some((since, mut upstream)) = list.pop() {
            if since.elapsed() > MAX_AGE {
                // Those below are older still.
                list.clear();
                return None;
            }
            if upstream.is_alive() {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, origin: Origin, mut upstream: Upstream) {
        upstream.rest();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.entry(origin).or_default();
        if list.len() < MAX_IDLE {
            list.push((Instant::now(), upstream));
        }
    }
}

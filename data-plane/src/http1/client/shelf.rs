//! Idle connections, by origin; the one used last goes first.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::connection::Upstream;
use crate::{
    connect::{Identities, Origin, Retire},
    guard::gate::{Evict, Gate},
};

/// Idle connections kept for one origin.
const MAX_IDLE: usize = 1024;
/// Origins beyond which connections that belong to one client are not kept.
const MAX_ORIGINS: usize = 1024;
/// How long one may be idle. Most servers close after a minute or more.
const MAX_AGE: Duration = Duration::from_secs(55);

/// Connections of one origin, the one used last at the end.
type Idle = Vec<(Instant, Box<Upstream>)>;

#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    idle: HashMap<Origin, Idle, RandomState>,
    /// Whose connections are kept; none is everybody's.
    current: Option<Arc<Identities>>,
    swept: Option<Instant>,
}

impl Shelf {
    /// A connection that seems to be alive.
    pub(super) fn take(&self, origin: &Origin, now: Instant) -> Option<Box<Upstream>> {
        let mut lists = self.lists();
        let list = lists.idle.get_mut(origin)?;
        while let Some((since, mut upstream)) = list.pop() {
            if now.saturating_duration_since(since) > MAX_AGE {
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
    pub(super) fn put(&self, origin: &Origin, mut upstream: Box<Upstream>, now: Instant) {
        upstream.rest();
        let mut lists = self.lists();
        lists.sweep(now);
        let gate = origin.link.gate.clone();
        let retired = lists.current.as_ref().is_some_and(|it| !it.keep(origin));
        // Of one client each, and there may be many.
        let crowded = origin.client.is_some() && lists.idle.len() >= MAX_ORIGINS;
        if retired || crowded {
            drop(lists);
            drop(upstream);
            if let Some(gate) = gate {
                gate.freed(origin.address);
            }
            return;
        }
        match lists.idle.get_mut(origin) {
            Some(list) if list.len() < MAX_IDLE => list.push((now, upstream)),
            Some(_) => {}
            None => {
                lists.idle.insert(origin.clone(), vec![(now, upstream)]);
            }
        }
        drop(lists);
        if let Some(gate) = gate {
            gate.freed(origin.address);
        }
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Evict for Shelf {
    fn evict(&self, gate: &Gate, address: Option<SocketAddr>) -> bool {
        let mut lists = self.lists();
        let is_meant = |origin: &Origin| {
            origin.link.gate.as_ref() == Some(gate) && address.is_none_or(|it| origin.address == it)
        };
        let mut meant = lists.idle.iter_mut().filter(|(origin, _)| is_meant(origin));
        let found = meant.find_map(|(_, list)| list.pop());
        drop(lists);
        found.is_some()
    }
}

impl Retire for Shelf {
    fn retire(&self, current: &Arc<Identities>) {
        let mut lists = self.lists();
        lists.current = Some(Arc::clone(current));
        let retired = lists.idle.extract_if(|origin, _| !current.keep(origin));
        let retired: Vec<_> = retired.collect();
        drop(lists);
        // What a target hears of it need not be waited for with the lock held.
        drop(retired);
    }
}

impl Lists {
    /// Closes what is too old and forgets origins without connections, once in the time it takes to
    /// become so: targets come and go, and nobody asks for those that have gone.
    fn sweep(&mut self, now: Instant) {
        let swept = *self.swept.get_or_insert(now);
        if now.saturating_duration_since(swept) < MAX_AGE {
            return;
        }
        self.swept = Some(now);
        self.idle.retain(|_, list| {
            let is_old = |since: Instant| now.saturating_duration_since(since) > MAX_AGE;
            let old = list.partition_point(|(since, _)| is_old(*since));
            list.drain(..old);
            !list.is_empty()
        });
    }
}

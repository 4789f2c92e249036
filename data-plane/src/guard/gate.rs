//! Limits on connections to an upstream, and those who wait for one.
//!
//! Limits belong to the node. A connection of HTTP/1.1 belongs to a worker: one that is idle with another worker is closed
//! where its place is needed, since it cannot be handed over. Those of HTTP/2 are the whole node's.

mod queue;

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use gatewright_engine::guard::{AtWork, Guard, Kept, LimitSettings};
use tokio::time::timeout;

use crate::connect::SendError;
use queue::Queue;
pub(crate) use queue::Waiter;

/// Someone who keeps idle connections.
pub(crate) trait Evict: Send + Sync {
    /// Closes one of this gate, to this address if one is given. Whether there was one.
    fn evict(&self, gate: &Gate, address: Option<SocketAddr>) -> bool;
}

/// Connections of one upstream, all workers'. Kept with the upstream's state.
#[derive(Default)]
pub(crate) struct Connections {
    queue: Queue,
    by_target: Mutex<HashMap<SocketAddr, u32>>,
    shelves: Mutex<Vec<Weak<dyn Evict>>>,
}

impl fmt::Debug for Connections {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connections")
    }
}

/// The way to a connection where an upstream has limits on them. Equal for the same upstream, whatever its
/// limits have become.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    limits: Arc<Kept<LimitSettings, AtWork>>,
    connections: Arc<Connections>,
}

/// Which limit is reached.
#[derive(Clone, Copy)]
enum Full {
    Upstream,
    Target,
}

/// What a request got that asked for a connection.
pub(crate) enum Placed<T> {
    /// One that had been idle.
    Idle(T),
    /// A place for a new one.
    New(Place),
}

impl Gate {
    /// None where nothing limits connections.
    pub(crate) fn of(guard: &Guard, connections: &Arc<Connections>) -> Option<Self> {
        let limits = guard.limits.as_ref()?;
        let settings = &limits.settings;
        let limited =
            settings.max_connections.is_some() || settings.max_connections_per_target.is_some();
        limited.then(|| Self {
            limits: Arc::clone(limits),
            connections: Arc::clone(connections),
        })
    }

    /// Waits for a place, or for what `idle` finds, at most `patience`.
    ///
    /// # Errors
    /// [`SendError::Overloaded`]: too many wait already, or it took too long.
    pub(crate) async fn place<T>(
        &self,
        address: SocketAddr,
        patience: Duration,
        idle: impl Fn() -> Option<T>,
    ) -> Result<Placed<T>, SendError> {
        if let Some(place) = self.try_place(address) {
            return Ok(Placed::New(place));
        }
        let waiter = Waiter { address, lane: 0 };
        let find = || match idle() {
            Some(idle) => Some(Placed::Idle(idle)),
            None => self.try_place(address).map(Placed::New),
        };
        let found = self.wait(waiter, patience, find).await?;
        found.ok_or(SendError::Overloaded)
    }

    /// Waits until `find` finds something, at most `patience`; none where that is over.
    ///
    /// # Errors
    /// [`SendError::Overloaded`]: too many wait already.
    pub(crate) async fn wait<T>(
        &self,
        waiter: Waiter,
        patience: Duration,
        mut find: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>, SendError> {
        let most = self.limits.settings.max_pending;
        let Some(_waiting) = Waiting::begin(self, most) else {
            return Err(SendError::Overloaded);
        };
        let mut turn = self.connections.queue.join(waiter, self);
        let found = async {
            loop {
                // What becomes free from here on is heard of, what was free before is found.
                turn.begin();
                if let Some(found) = find() {
                    return found;
                }
                turn.called().await;
            }
        };
        Ok(timeout(patience, found).await.ok())
    }

    /// A place, if need be that of an idle connection.
    pub(crate) fn try_place(&self, address: SocketAddr) -> Option<Place> {
        loop {
            let full = match self.take(address) {
                Ok(place) => return Some(place),
                Err(full) => full,
            };
            let of = match full {
                Full::Upstream => None,
                Full::Target => Some(address),
            };
            let shelves: Vec<_> = self.shelves().iter().filter_map(Weak::upgrade).collect();
            if !shelves.iter().any(|shelf| shelf.evict(self, of)) {
                return None;
            }
        }
    }

    /// A place that nobody has to make.
    pub(crate) fn free_place(&self, address: SocketAddr) -> Option<Place> {
        self.take(address).ok()
    }

    fn take(&self, address: SocketAddr) -> Result<Place, Full> {
        let settings = &self.limits.settings;
        let mut by_target = self.by_target();
        let present = by_target.get(&address).copied().unwrap_or(0);
        if settings
            .max_connections_per_target
            .is_some_and(|most| present >= most)
        {
            return Err(Full::Target);
        }
        if !self
            .limits
            .state
            .connections
            .enter(settings.max_connections)
        {
            return Err(Full::Upstream);
        }
        by_target.insert(address, present + 1);
        Ok(Place {
            gate: self.clone(),
            address,
        })
    }

    /// Keeps idle connections here from now on.
    pub(crate) fn register(&self, shelf: &Arc<impl Evict + 'static>) {
        let mut shelves = self.shelves();
        let known = |it: &Weak<dyn Evict>| std::ptr::addr_eq(it.as_ptr(), Arc::as_ptr(shelf));
        if !shelves.iter().any(known) {
            shelves.retain(|it| it.strong_count() > 0);
            let weak = Arc::downgrade(shelf);
            shelves.push(weak);
        }
    }

    /// A connection to this address has become idle, or a place free.
    pub(crate) fn freed(&self, address: SocketAddr) {
        self.connections
            .queue
            .call(|waiter, gate| waiter.address == address || !gate.is_full(waiter.address));
    }

    /// A connection that these share takes one more request. Whether one waits for that.
    pub(crate) fn shared(&self, lane: usize) -> bool {
        self.connections.queue.call(|waiter, _| waiter.lane == lane)
    }

    /// A connection that these share takes many more requests.
    pub(crate) fn shared_by_all(&self, lane: usize) {
        self.connections.queue.call_all(lane);
    }

    /// Whether there are as many connections to this address as there may be.
    fn is_full(&self, address: SocketAddr) -> bool {
        let most = self.limits.settings.max_connections_per_target;
        most.is_some_and(|most| self.by_target().get(&address).is_some_and(|it| *it >= most))
    }

    fn by_target(&self) -> MutexGuard<'_, HashMap<SocketAddr, u32>> {
        let by_target = self.connections.by_target.lock();
        by_target.unwrap_or_else(PoisonError::into_inner)
    }

    fn shelves(&self) -> MutexGuard<'_, Vec<Weak<dyn Evict>>> {
        let shelves = self.connections.shelves.lock();
        shelves.unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connections, &other.connections)
    }
}

impl Eq for Gate {}

impl Hash for Gate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.connections).hash(state);
    }
}

/// A request that waits, until dropped.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn begin(gate: &'a Gate, most: Option<u32>) -> Option<Self> {
        let entered = gate.limits.state.pending.enter(most);
        // Made only if it is one: dropping it gives a place back.
        entered.then(|| Self(gate))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.limits.state.pending.leave();
    }
}

/// The place of a connection, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) gate: Gate,
    pub(crate) address: SocketAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_target = self.gate.by_target();
        if let Some(count) = by_target.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_target.remove(&self.address);
            }
        }
        drop(by_target);
        self.gate.limits.state.connections.leave();
        self.gate.freed(self.address);
    }
}

#[cfg(test)]
mod tests;

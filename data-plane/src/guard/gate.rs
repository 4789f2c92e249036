//! Limits on HTTP/1.1 connections to an upstream, and those who wait for one.
//!
//! Connections belong to workers, limits to the node: one that is idle with another worker is closed where its place
//! is needed, since it cannot be handed over.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use gatewright_engine::guard::{AtWork, Guard, Kept, LimitSettings};
use tokio::{sync::Notify, time::timeout};

use crate::connect::SendError;

/// Someone who keeps idle connections.
pub(crate) trait Evict: Send + Sync {
    /// Closes one of this gate, to this address if one is given. Whether there was one.
    fn evict(&self, gate: &Gate, address: Option<SocketAddr>) -> bool;
}

/// Connections of one upstream, all workers'. Kept with the upstream's state.
#[derive(Default)]
pub(crate) struct Connections {
    /// A place has become free, or a connection idle.
    freed: Notify,
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
        let most = self.limits.settings.max_pending;
        let Some(_waiting) = Waiting::begin(self, most) else {
            return Err(SendError::Overloaded);
        };
        let placed = async {
            loop {
                // What becomes free from here on is heard of, what was free before is found.
                let mut freed = pin!(self.connections.freed.notified());
                freed.as_mut().enable();
                if let Some(idle) = idle() {
                    return Placed::Idle(idle);
                }
                if let Some(place) = self.try_place(address) {
                    return Placed::New(place);
                }
                freed.await;
            }
        };
        timeout(patience, placed)
            .await
            .map_err(|_| SendError::Overloaded)
    }

    /// A place, if need be that of an idle connection.
    fn try_place(&self, address: SocketAddr) -> Option<Place> {
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

    /// A connection has become idle, or a place free.
    pub(crate) fn freed(&self) {
        self.connections.freed.notify_one();
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
    gate: Gate,
    address: SocketAddr,
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
        self.gate.freed();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn gate(settings: LimitSettings, connections: &Arc<Connections>) -> Gate {
        let limits = Kept {
            settings,
            state: Arc::default(),
        };
        let guard = Guard {
            limits: Some(Arc::new(limits)),
            ..Guard::default()
        };
        Gate::of(&guard, connections).expect("it limits connections")
    }

    async fn place(gate: &Gate, port: u16) -> Result<Place, SendError> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let patience = Duration::from_millis(20);
        match gate.place(address, patience, || None::<()>).await? {
            Placed::New(place) => Ok(place),
            Placed::Idle(()) => panic!("there is none"),
        }
    }

    #[tokio::test]
    async fn who_finds_no_place_waits_for_one_and_not_too_many_do() {
        let settings = LimitSettings {
            max_connections: Some(1),
            max_pending: Some(1),
            ..LimitSettings::default()
        };
        let gate = gate(settings, &Arc::default());
        let first = place(&gate, 1).await.unwrap();
        let late = place(&gate, 1).await.unwrap_err();
        assert!(matches!(late, SendError::Overloaded));
        let (second, refused, ()) = tokio::join!(place(&gate, 2), place(&gate, 1), async {
            drop(first);
        });
        assert!(second.is_ok());
        assert!(refused.is_err(), "one waits already");
        assert_eq!(gate.limits.state.pending.taken(), 0);
        assert_eq!(gate.limits.state.connections.taken(), 1);
    }

    #[tokio::test]
    async fn each_target_has_a_limit_of_its_own() {
        let settings = LimitSettings {
            max_connections_per_target: Some(1),
            max_pending: Some(0),
            ..LimitSettings::default()
        };
        let gate = gate(settings, &Arc::default());
        let _one = place(&gate, 1).await.unwrap();
        assert!(place(&gate, 1).await.is_err());
        assert!(place(&gate, 2).await.is_ok());
    }
}

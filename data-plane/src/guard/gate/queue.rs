//! Who waits for a connection, in the order in which they came. What has become free is told to the first that can use it:
//! told to another one, it would be lost.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::Gate;

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    /// Where the connection is to lead.
    pub(crate) address: SocketAddr,
    /// Whose shared connections would do as well; 0 is none.
    pub(crate) lane: usize,
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// By their number: who came first is first.
    all: BTreeMap<u64, Entry>,
    numbers: u64,
}

#[derive(Debug)]
struct Entry {
    waiter: Waiter,
    /// With the limits that it has come with.
    gate: Gate,
    called: Arc<Notify>,
}

/// A place in the queue, until dropped.
pub(super) struct Turn<'q> {
    gate: &'q Gate,
    number: u64,
    waiter: Waiter,
    called: Arc<Notify>,
}

impl Queue {
    /// At the end.
    pub(super) fn join<'q>(&'q self, waiter: Waiter, gate: &'q Gate) -> Turn<'q> {
        let mut waiting = self.waiting();
        waiting.numbers += 1;
        Turn {
            gate,
            number: waiting.numbers,
            waiter,
            called: Arc::default(),
        }
    }

    /// Calls the first that can use it. Whether there is one.
    pub(super) fn call(&self, usable: impl Fn(&Waiter, &Gate) -> bool) -> bool {
        let mut waiting = self.waiting();
        let mut all = waiting.all.iter();
        let first = all.find(|(_, it)| usable(&it.waiter, &it.gate));
        let Some(number) = first.map(|(number, _)| *number) else {
            return false;
        };
        let called = waiting.all.remove(&number);
        drop(waiting);
        if let Some(entry) = called {
            entry.called.notify_one();
        }
        true
    }

    /// Calls all who would share these connections.
    pub(super) fn call_all(&self, lane: usize) {
        let mut waiting = self.waiting();
        let called = waiting.all.extract_if(.., |_, it| it.waiter.lane == lane);
        for (_, entry) in called {
            entry.called.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// From now on it is called, in the place that it has had from the beginning.
    pub(super) fn begin(&mut self) {
        let entry = Entry {
            waiter: self.waiter,
            gate: self.gate.clone(),
            called: Arc::clone(&self.called),
        };
        let queue = &self.gate.connections.queue;
        queue.waiting().all.insert(self.number, entry);
    }

    /// Something has become free.
    pub(super) async fn called(&mut self) {
        self.called.notified().await;
    }
}

impl Drop for Turn<'_> {
    /// Who was called and did not come has the next one called.
    fn drop(&mut self) {
        let waiting = self
            .gate
            .connections
            .queue
            .waiting()
            .all
            .remove(&self.number);
        if waiting.is_none() && (self.waiter.lane == 0 || !self.gate.shared(self.waiter.lane)) {
            self.gate.freed(self.waiter.address);
        }
    }
}

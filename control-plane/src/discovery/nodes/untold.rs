//! What other control planes have yet to be told of the nodes of this one: which nodes, not what, so that
//! what changes often is told once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// Most nodes of which something is to be told: it takes a database that is away and as many names of
/// nodes to get there. What is beyond is not told.
const MAX_UNTOLD: usize = 100_000;

/// How much of a node has changed, and how soon that is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::discovery) enum Mark {
    /// Nothing that anybody waits for.
    Later,
    /// How its parts fare.
    Facts,
    /// Something that somebody may wait for.
    Urgent,
    /// It has gone.
    Gone,
}

/// What is to be told of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::discovery) struct Untelling {
    /// Of which stream.
    pub(in crate::discovery) stream: u64,
    /// Whether that has ended.
    pub(in crate::discovery) gone: bool,
    /// Whether how its parts fare has changed.
    pub(in crate::discovery) facts: bool,
}

/// What is to be told, by name of node.
type Batch = BTreeMap<String, Untelling>;

/// What has not been told yet.
#[derive(Debug, Default)]
pub(in crate::discovery) struct Untold {
    changed: Mutex<Changed>,
    urgent: Notify,
    /// Up to which mark all has been told.
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Changed {
    /// Whether there is anybody who tells, and a database that takes it.
    telling: bool,
    marks: u64,
    batch: Batch,
}

impl Untold {
    /// Notes that a node is to be told of. Returns a number for [`Untold::wait`].
    pub(super) fn mark(&self, id: &str, stream: u64, mark: Mark) -> u64 {
        let mut changed = self.changed();
        changed.marks += 1;
        let marks = changed.marks;
        let fresh = Untelling {
            stream,
            gone: mark == Mark::Gone,
            facts: mark == Mark::Facts,
        };
        let room = changed.batch.len() < MAX_UNTOLD;
        match changed.batch.get_mut(id) {
            Some(known) if known.stream > stream => {}
            Some(known) if known.stream == stream => {
                known.gone |= fresh.gone;
                known.facts |= fresh.facts;
            }
            Some(known) => *known = fresh,
            None if room => {
                changed.batch.insert(id.to_owned(), fresh);
            }
            None => {}
        }
        drop(changed);
        if matches!(mark, Mark::Urgent | Mark::Gone) {
            self.urgent.notify_one();
        }
        marks
    }

    /// Returns when all up to this mark has been told, or nobody tells, or it takes too long.
    pub(super) async fn wait(&self, mark: u64, patience: Duration) {
        let mut told = self.told.subscribe();
        if self.changed().telling {
            let reached = told.wait_for(|told| *told >= mark);
            let _ = timeout(patience, reached).await;
        }
    }

    /// Returns when there is something that somebody may wait for.
    pub(in crate::discovery) async fn urgent(&self) {
        self.urgent.notified().await;
    }

    /// Says whether what is marked is told.
    pub(in crate::discovery) fn telling(&self, telling: bool) {
        let mut changed = self.changed();
        changed.telling = telling;
        let marks = changed.marks;
        drop(changed);
        if !telling {
            // Nobody waits for what is not coming.
            self.told.send_replace(marks);
        }
    }

    /// All that is to be told, and up to which mark that is.
    pub(in crate::discovery) fn take(&self) -> (Batch, u64) {
        let mut changed = self.changed();
        (std::mem::take(&mut changed.batch), changed.marks)
    }

    /// All up to this mark has been told.
    pub(in crate::discovery) fn told(&self, mark: u64) {
        self.told.send_if_modified(|told| {
            let further = *told < mark;
            *told = mark.max(*told);
            further
        });
    }

    /// It was not told after all.
    pub(in crate::discovery) fn put_back(&self, batch: Batch) {
        let mut changed = self.changed();
        for (id, untelling) in batch {
            match changed.batch.get_mut(&id) {
                Some(known) if known.stream == untelling.stream => {
                    known.gone |= untelling.gone;
                    known.facts |= untelling.facts;
                }
                Some(_) => {}
                None => {
                    changed.batch.insert(id, untelling);
                }
            }
        }
    }

    fn changed(&self) -> std::sync::MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

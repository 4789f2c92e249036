//! Changes of registrations, gathered: those of a burst are one revision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gatewright_proto::Key;
use tokio::{sync::oneshot, time::sleep};

use super::{Change, Done, Refusal, Shared, limit::Tally, metrics::Reason, registered};
use crate::{
    store::{Authorship, SignOfLife, StoreError},
    write::{Operation, Precondition, Write, WriteError, Written},
};

/// Waits for more: instances that are rolled out come together.
const GATHER: Duration = Duration::from_millis(20);

/// Most changes in one revision.
const MAX_CHANGES: usize = 1000;

/// Most changes that wait.
const MAX_WAITING: usize = 50_000;

/// Most bytes of changes that wait.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// What a change that waits takes beside its texts, in bytes.
const CHANGE_BYTES: usize = 512;

/// Changes that wait to be carried out.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    asked: Vec<Asked>,
    /// Bytes of them.
    bytes: usize,
    /// Whether a task carries them out.
    served: bool,
}

#[derive(Debug)]
struct Asked {
    change: Change,
    bytes: usize,
    answer: oneshot::Sender<Result<Done, Refusal>>,
}

impl Queue {
    /// Carries out a change with the next batch.
    pub(super) async fn ask(shared: &Arc<Shared>, change: Change) -> Result<Done, Refusal> {
        let (answer, answered) = oneshot::channel();
        let bytes = bytes(&change);
        let begins = {
            let mut waiting = shared.queue.waiting();
            if !waiting.has_room(bytes) {
                shared.metrics.refused(Reason::Queue);
                return Err(Refusal::Crowded);
            }
            waiting.bytes += bytes;
            waiting.asked.push(Asked {
                change,
                bytes,
                answer,
            });
            !std::mem::replace(&mut waiting.served, true)
        };
        if begins {
            // A task of its own: who asked may go away, and others wait for the same write.
            let shared = Arc::clone(shared);
            tokio::spawn(async move { serve(&shared).await });
        }
        answered.await.unwrap_or(Err(Refusal::Internal))
    }

    /// The next changes, each target once, in the order that they were asked for.
    fn take(&self) -> Vec<Asked> {
        let mut waiting = self.waiting();
        let (mut batch, mut later) = (Vec::new(), Vec::new());
        let mut named = BTreeSet::new();
        for asked in std::mem::take(&mut waiting.asked) {
            // Once one of a target has to wait, so do all that follow.
            match batch.len() < MAX_CHANGES && named.insert(asked.change.key.clone()) {
                true => batch.push(asked),
                false => later.push(asked),
            }
        }
        waiting.bytes = later.iter().map(|asked| asked.bytes).sum();
        waiting.asked = later;
        waiting.served = !batch.is_empty();
        batch
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn has_room(&self, bytes: usize) -> bool {
        self.asked.len() < MAX_WAITING && self.bytes.saturating_add(bytes) <= MAX_WAITING_BYTES
    }
}

/// What a change takes while it waits, in bytes.
fn bytes(change: &Change) -> usize {
    let by = &change.by;
    let texts = [
        &change.key.name,
        &by.author,
        &by.comment,
        &by.action,
        &by.address,
        &by.request_id,
    ];
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    let target = change.target.as_ref().map_or(0, |it| it.to_bytes().len());
    CHANGE_BYTES + texts + target
}

/// Carries out what waits until nothing does.
async fn serve(shared: &Shared) {
    loop {
        sleep(GATHER).await;
        let batch = shared.queue.take();
        if batch.is_empty() {
            return;
        }
        // Every revision has one author.
        let mut by_author: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
        for asked in batch {
            let author = asked.change.by.author.clone();
            by_author.entry(author).or_default().push(asked);
        }
        for group in by_author.into_values() {
            carry_out(shared, group).await;
        }
    }
}

/// Carries out changes of one author in one revision. One that has mistakes does not stand in the way of the others.
async fn carry_out(shared: &Shared, mut group: Vec<Asked>) {
    group.retain(|asked| !shared.has_come_back(&asked.change));
    group = match shared.admit(group).await {
        Ok(admitted) if admitted.is_empty() => return,
        Ok(admitted) => admitted,
        Err((group, error)) => return refuse(group, &error.into()),
    };
    // Before the targets: nobody may find one without a sign of life.
    let joining = group.iter().filter(|it| it.change.target.is_some());
    let signs: Vec<SignOfLife> = joining.map(|it| sign(&it.change.key)).collect();
    if !signs.is_empty()
        && let Err(error) = shared.catalog.store.renew(&signs).await
    {
        return refuse(group, &error.into());
    }
    while !group.is_empty() {
        match shared.writer.write(write(&group)).await {
            Ok(written) => return tell(shared, group, &written),
            Err(WriteError::Invalid(mistakes)) => {
                let its = |asked: &Asked| -> Vec<_> {
                    let resource = asked.change.key.to_string();
                    let its = mistakes.iter().filter(|it| it.resource == resource);
                    its.cloned().collect()
                };
                let (bad, good): (Vec<_>, _) =
                    group.into_iter().partition(|it| !its(it).is_empty());
                if bad.is_empty() {
                    return refuse(good, &Refusal::Invalid(mistakes.clone()));
                }
                for asked in bad {
                    let mistakes = its(&asked);
                    let _ = asked.answer.send(Err(Refusal::Invalid(mistakes)));
                }
                group = good;
            }
            Err(error) => return refuse(group, &error.into()),
        }
    }
}

fn sign(key: &Key) -> SignOfLife {
    SignOfLife {
        target: key.name.clone(),
        age_ms: 0,
    }
}

/// All changes as one.
fn write(group: &[Asked]) -> Write {
    let operation = |asked: &Asked| match &asked.change.target {
        Some(target) => Operation::Put(target.clone(), Precondition::default()),
        None => Operation::Remove(asked.change.key.clone()),
    };
    let by = match group {
        [only] => only.change.by.clone(),
        _ => Authorship {
            author: group[0].change.by.author.clone(),
            comment: comment(group),
            action: "registrations".to_owned(),
            ..Authorship::default()
        },
    };
    Write {
        operations: group.iter().map(operation).collect(),
        by,
        ..Write::default()
    }
}

fn comment(group: &[Asked]) -> String {
    let leaving = group.iter().filter(|it| it.change.target.is_none()).count();
    let staying = group.len() - leaving;
    format!("{staying} targets join or change, {leaving} leave")
}

fn tell(shared: &Shared, group: Vec<Asked>, written: &Written) {
    let changes: BTreeMap<&Key, bool> = written
        .changes
        .iter()
        .map(|change| (&change.key, change.before.is_none()))
        .collect();
    for asked in group {
        let change = changes.get(&asked.change.key).copied();
        if asked.change.target.is_some() {
            shared.known.note(&asked.change.key.name, Instant::now());
        }
        shared.metrics.changed(&asked.change, change);
        let done = Done {
            revision: written.revision,
            created: change == Some(true),
        };
        // Who asked may have gone away.
        let _ = asked.answer.send(Ok(done));
    }
}

fn refuse(group: Vec<Asked>, refusal: &Refusal) {
    for asked in group {
        let _ = asked.answer.send(Err(refusal.clone()));
    }
}

impl Shared {
    /// Those for which there is room; the others are told. Exact on one control plane; several at a time may go
    /// over by what they carry out together.
    async fn admit(&self, group: Vec<Asked>) -> Result<Vec<Asked>, (Vec<Asked>, StoreError)> {
        if group.iter().all(|asked| asked.change.target.is_none()) {
            return Ok(group);
        }
        let state = match self.catalog.fresh().await {
            Ok(state) => state,
            Err(error) => return Err((group, error)),
        };
        let mut tally = Tally::of(&state);
        let mut admitted = Vec::with_capacity(group.len());
        for asked in group {
            let entry = state.entries.get(&asked.change.key);
            let stored = entry.and_then(|it| registered(&it.held.resource));
            let full = match asked.change.target.as_ref().map(registered) {
                Some(Some(target)) => tally.admit(&self.limits, stored, target).err(),
                _ => {
                    stored.inspect(|stored| tally.remove(stored));
                    None
                }
            };
            match full {
                None => admitted.push(asked),
                Some(full) => {
                    self.metrics.refused(full.reason());
                    let _ = asked.answer.send(Err(Refusal::Full(full)));
                }
            }
        }
        Ok(admitted)
    }

    /// Whether a target that was to be taken away has given a sign of life in between.
    fn has_come_back(&self, change: &Change) -> bool {
        if !change.expired {
            return false;
        }
        let state = self.catalog.present();
        let entry = state.entries.get(&change.key);
        let target = entry.and_then(|it| registered(&it.held.resource));
        let ttl_ms = target.and_then(|it| it.ttl_ms);
        let age_ms = self.known.age_ms(&change.key.name, Instant::now());
        ttl_ms
            .zip(age_ms)
            .is_some_and(|(ttl, age)| age < ttl.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WAITING_BYTES, Waiting};

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let waiting = Waiting {
            bytes: MAX_WAITING_BYTES - 10,
            ..Waiting::default()
        };
        assert!(waiting.has_room(10));
        assert!(!waiting.has_room(11));
        assert!(!waiting.has_room(usize::MAX));
    }
}

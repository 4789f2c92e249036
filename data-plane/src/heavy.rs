//! Threads for what would stall a worker, such as comparing a password with its hash: few, of low priority,
//! with a short queue. What finds no room in it is refused at once, so that a flood delays nothing else.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use gatewright_engine::plugin::{Heavy, Job, Pending};
use tokio::sync::oneshot;

/// Most threads. At least one, and at most half of the cores.
const MAX_THREADS: usize = 4;
/// Jobs that may wait for a thread; at some 30 ms each, a second.
const QUEUE_PER_THREAD: usize = 32;
/// How much the threads give way to workers (nice(2)).
const NICENESS: i32 = 10;

/// The threads. They end with it.
#[derive(Debug)]
pub(crate) struct Pool {
    queue: SyncSender<Task>,
}

struct Task {
    job: Job,
    answer: oneshot::Sender<bool>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has none to give.
    pub(crate) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).clamp(1, MAX_THREADS);
        let (queue, tasks) = sync_channel(threads * QUEUE_PER_THREAD);
        let tasks = Arc::new(Mutex::new(tasks));
        for number in 0..threads {
            let tasks = Arc::clone(&tasks);
            thread::Builder::new()
                .name(format!("heavy-{number}"))
                .spawn(move || work(&tasks))?;
        }
        Ok(Self { queue })
    }
}

impl Heavy for Pool {
    fn run(&self, job: Job) -> Option<Pending> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Task { job, answer }).ok()?;
        Some(Box::pin(async move { answered.await.ok() }))
    }
}

fn work(tasks: &Mutex<Receiver<Task>>) {
    // Not being allowed to give way is no reason not to work.
    let _ = rustix::process::nice(NICENESS);
    loop {
        let next = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Task { job, answer }) = next else {
            return;
        };
        // Who asked may have gone away meanwhile.
        if answer.is_closed() {
            continue;
        }
        if let Ok(outcome) = catch_unwind(AssertUnwindSafe(job)) {
            let _ = answer.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use gatewright_engine::plugin::Heavy as _;

    use super::{MAX_THREADS, Pool, QUEUE_PER_THREAD};

    #[tokio::test]
    async fn what_finds_no_room_is_refused_at_once_and_what_nobody_waits_for_is_not_begun() {
        let pool = Pool::start().unwrap();
        let (open, gate) = sync_channel::<()>(0);
        let gate = std::sync::Arc::new(std::sync::Mutex::new(gate));
        let mut waiting = Vec::new();
        let most = MAX_THREADS * (QUEUE_PER_THREAD + 1);
        loop {
            let gate = std::sync::Arc::clone(&gate);
            let job = move || gate.lock().unwrap().recv().is_err();
            let Some(pending) = pool.run(Box::new(job)) else {
                break;
            };
            waiting.push(pending);
            assert!(waiting.len() <= most, "there is no bound");
        }
        // Those that run end once the gate is gone, and those that were given up are not begun.
        let last = waiting.pop().unwrap();
        drop(waiting);
        drop(open);
        assert_eq!(last.await, Some(true));
        let (began, begins) = sync_channel(1);
        let told = pool.run(Box::new(move || began.send(()).is_ok())).unwrap();
        assert_eq!(told.await, Some(true));
        assert!(begins.recv().is_ok());
        let defect = pool.run(Box::new(|| panic!("a defect"))).unwrap();
        assert_eq!(defect.await, None);
        assert_eq!(pool.run(Box::new(|| true)).unwrap().await, Some(true));
    }
}

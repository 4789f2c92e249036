//! Which exchanges become spans. Only these pay for it: without tracing there is no queue and no ids, and
//! without sampling no marks.

use std::time::Instant;

use tokio::sync::mpsc;

use super::{Line, Stage, TraceParent, line::End};

/// Exchanges that may wait to be exported.
const MAX_WAITING: usize = 4096;

/// Decides, and hands over what is finished.
#[derive(Debug)]
pub struct Tracer {
    /// Traces whose lower half is below are sampled.
    threshold: u64,
    finished: mpsc::Sender<Finished>,
}

/// The identity of one exchange in a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceIds {
    pub(super) trace_id: u128,
    /// The sender's span.
    pub(super) parent: Option<u64>,
    /// The exchange's own span.
    pub(super) exchange: u64,
    /// The span of the stage *forward*, which is the parent of the upstream's.
    pub(super) forward: u64,
    pub(super) sampled: bool,
}

impl TraceIds {
    pub(crate) const fn trace_id(&self) -> u128 {
        self.trace_id
    }

    pub(crate) const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What the upstream is told.
    pub(crate) const fn onward(&self) -> TraceParent {
        TraceParent {
            trace_id: self.trace_id,
            span_id: self.forward,
            sampled: self.sampled,
        }
    }
}

/// When which stage began.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(super) ids: TraceIds,
    pub(super) marks: Vec<(Stage, Instant)>,
}

impl Trace {
    /// Attempts are few; more stages than this are not marked.
    const MAX_MARKS: usize = 64;

    pub(super) fn begin(ids: TraceIds, started: Instant) -> Self {
        let mut marks = Vec::with_capacity(8);
        marks.push((Stage::Read, started));
        Self { ids, marks }
    }

    pub(super) fn mark(&mut self, stage: Stage) {
        if self.marks.len() < Self::MAX_MARKS {
            self.marks.push((stage, Instant::now()));
        }
    }
}

/// A traced exchange that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(super) trace: Box<Trace>,
    pub(super) line: Box<Line>,
    pub(super) end: End,
}

impl Tracer {
    /// Samples this share (0 to 1) of the traces that begin here. What comes out of the receiver is to be
    /// exported.
    pub(crate) fn new(ratio: f64) -> (Self, mpsc::Receiver<Finished>) {
        let (finished, queue) = mpsc::channel(MAX_WAITING);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a float saturates, and the share need not be exact"
        )]
        let threshold = (ratio * u64::MAX as f64) as u64;
        let tracer = Self {
            threshold,
            finished,
        };
        (tracer, queue)
    }

    /// Goes on with the sender's trace and its decision, or begins one.
    pub(crate) fn begin(&self, parent: Option<TraceParent>) -> TraceIds {
        let trace_id = parent.map_or_else(|| rand::random::<u128>().max(1), |it| it.trace_id);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let decided = || self.threshold == u64::MAX || (trace_id as u64) < self.threshold;
        TraceIds {
            trace_id,
            parent: parent.map(|it| it.span_id),
            exchange: rand::random::<u64>().max(1),
            forward: rand::random::<u64>().max(1),
            sampled: parent.map_or_else(decided, |it| it.sampled),
        }
    }

    /// Whether there was room.
    pub(super) fn send(&self, finished: Finished) -> bool {
        self.finished.try_send(finished).is_ok()
    }
}

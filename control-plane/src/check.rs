//! Would this configuration compile? Asked of the engine, before a commit.

mod memo;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use gatewright_engine::{
    CompileError, Explainer, ResourceSet, Snapshot, compile, plugin::Registry,
};

use crate::catalog::State;
use memo::Memo;

/// Compiles as the nodes do, and remembers the last result, whose parts the next one reuses.
#[derive(Debug, Default)]
pub struct Checker {
    registry: Registry,
    last: Mutex<Option<Arc<Snapshot>>>,
    served: Memo<Snapshot>,
    broken: Memo<Vec<CompileError>>,
    explainer: Memo<Explainer>,
}

impl Checker {
    /// Checks with these plugin types.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            ..Self::default()
        }
    }

    /// The plugin types that are known.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All mistakes of a configuration. Takes as long as a node's compilation: not for async threads.
    pub fn check(&self, set: &ResourceSet) -> Vec<CompileError> {
        let last = self.last();
        let compiled = compile(0, set, &self.registry, last.as_deref());
        if compiled.errors.is_empty() {
            self.remember(Arc::new(compiled.snapshot));
        }
        compiled.errors
    }

    /// The mistakes that a change makes: those of the resources it touches, named in `changed`, and
    /// those that were not there before. What was broken already does not stand in its way.
    pub fn check_change(
        &self,
        present: &State,
        would_be: &ResourceSet,
        changed: &BTreeSet<String>,
    ) -> Vec<CompileError> {
        let errors = self.check(would_be);
        let touches = |error: &CompileError| changed.contains(&error.key.to_string());
        if errors.iter().all(touches) {
            return errors;
        }
        let before = self.broken.at(&present.head, || self.check(&present.set()));
        let is_new = |error: &CompileError| touches(error) || !before.contains(error);
        errors.into_iter().filter(is_new).collect()
    }

    /// What the nodes serve at this state. Compiled once a state: not for async threads.
    pub fn snapshot(&self, state: &State) -> Arc<Snapshot> {
        self.served.at(&state.head, || {
            let last = self.last();
            let revision = state.head.revision;
            compile(revision, &state.set(), &self.registry, last.as_deref()).snapshot
        })
    }

    /// What can be asked about requests at this state. Compiled once a state: not for async threads.
    pub fn explainer(&self, state: &State) -> Arc<Explainer> {
        self.explainer.at(&state.head, || {
            Explainer::compile(&state.set(), &self.registry)
        })
    }

    fn last(&self) -> Option<Arc<Snapshot>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn remember(&self, snapshot: Arc<Snapshot>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(snapshot);
    }
}

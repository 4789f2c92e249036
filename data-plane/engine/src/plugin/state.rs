//! State that outlives configurations.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long the state of an instance that is gone is kept, in case that it comes back.
const GRACE: Duration = Duration::from_secs(600);
/// How often what is gone is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Most states of gone instances; beyond that the grace is cut short.
const MAX_GONE: usize = 10_000;

/// State such as counters, by plugin type and instance name. Used when configurations are compiled,
/// never by a request: instances hold what they took. Clones share it.
#[derive(Clone, Default)]
pub struct States(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    rows: HashMap<(&'static str, Arc<str>), Row>,
    swept: Option<Instant>,
}

struct Row {
    state: Arc<dyn Any + Send + Sync>,
    /// Since when no instance holds it.
    gone_since: Option<Instant>,
}

impl States {
    /// The state of this instance, made if there is none.
    pub fn keep<T: Any + Send + Sync>(
        &self,
        plugin_type: &'static str,
        name: &Arc<str>,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.sweep(Instant::now());
        let key = (plugin_type, Arc::clone(name));
        if let Some(row) = table.rows.get_mut(&key)
            && let Ok(state) = Arc::clone(&row.state).downcast()
        {
            row.gone_since = None;
            return state;
        }
        let state = Arc::new(make());
        let row = Row {
            state: Arc::clone(&state) as _,
            gone_since: None,
        };
        table.rows.insert(key, row);
        state
    }
}

impl Table {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|last| now < last + SWEEP_INTERVAL) {
            return;
        }
        self.swept = Some(now);
        let mut gone = 0;
        self.rows.retain(|_, row| {
            if Arc::strong_count(&row.state) > 1 {
                row.gone_since = None;
                return true;
            }
            gone += 1;
            let since = *row.gone_since.get_or_insert(now);
            gone <= MAX_GONE && now < since + GRACE
        });
    }
}

impl fmt::Debug for States {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("States")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, Instant},
    };

    use super::{GRACE, States, Table};

    #[test]
    fn an_instance_that_is_built_again_finds_its_state() {
        let states = States::default();
        let first = states.keep("rate-limit", &"a".into(), || 1);
        let again = states.keep("rate-limit", &"a".into(), || 2);
        let other = states.keep("rate-limit", &"b".into(), || 3);
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(*other, 3);
    }

    #[test]
    fn the_state_of_an_instance_that_stays_away_is_dropped() {
        let states = States::default();
        let held = states.keep("rate-limit", &"held".into(), || 1);
        drop(states.keep("rate-limit", &"gone".into(), || 2));
        let mut table: std::sync::MutexGuard<'_, Table> = states.0.lock().unwrap();
        let start = Instant::now() + Duration::from_secs(60);
        table.sweep(start);
        assert_eq!(table.rows.len(), 2, "it may come back");
        table.sweep(start + GRACE);
        assert_eq!(table.rows.len(), 1);
        drop(table);
        drop(held);
    }
}

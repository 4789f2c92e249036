//! What was made of the newest state, so that it is made once.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::store::Head;

/// What was last made of a state. Who asks while it is being made waits, instead of making it as well.
pub(super) struct Memo<T>(Mutex<Option<(Head, Arc<T>)>>);

impl<T> Memo<T> {
    /// What there is of this state, or what `make` makes of it.
    pub(super) fn at(&self, head: &Head, make: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, made)) = &*kept
            && of == head
        {
            return Arc::clone(made);
        }
        let made = Arc::new(make());
        *kept = Some((head.clone(), Arc::clone(&made)));
        made
    }
}

// Derived, it would ask for a default of what is made.
impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Memo")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Memo;
    use crate::store::Head;

    #[test]
    fn a_state_is_made_something_of_once() {
        let (memo, head) = (Memo::default(), Head::default());
        let first = memo.at(&head, || 1);
        assert!(Arc::ptr_eq(&first, &memo.at(&head, || 2)));
        let next = Head {
            revision: head.revision + 1,
            ..head
        };
        assert_eq!(*memo.at(&next, || 3), 3);
        assert_eq!(*memo.at(&next, || 4), 3);
    }
}

//! How many bytes of bodies are in memory at a time: from their arrival until they are answered. Who may only
//! register has a share of its own, so that agents do not keep operators out.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;

/// Most bytes of all bodies at a time.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// Most bytes of bodies from tokens that may only register.
const MAX_AGENT_BYTES: usize = 32 * 1024 * 1024;

/// Places for bytes.
#[derive(Clone, Debug)]
pub struct Bodies {
    operators: Arc<Semaphore>,
    agents: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            operators: Arc::new(Semaphore::new(MAX_BYTES)),
            agents: Arc::new(Semaphore::new(MAX_AGENT_BYTES)),
        }
    }
}

impl Bodies {
    /// For a request of an operator.
    pub(super) fn of_operator(&self) -> Hold {
        Hold::on(&self.operators)
    }

    /// For one of who may only register.
    pub(super) fn of_agent(&self) -> Hold {
        Hold::on(&self.agents)
    }
}

/// What the body of one request takes, until all copies of this are dropped.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    places: Arc<Semaphore>,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Hold {
    fn on(places: &Arc<Semaphore>) -> Self {
        Self {
            places: Arc::clone(places),
            taken: Arc::default(),
        }
    }

    /// Takes places for so many bytes more.
    ///
    /// # Errors
    /// There are none left.
    pub(super) fn take(&self, bytes: usize) -> Result<(), ApiError> {
        let busy = ApiError::TooMany("too many bytes of bodies at a time");
        let Ok(bytes) = u32::try_from(bytes) else {
            return Err(busy);
        };
        let places = Arc::clone(&self.places).try_acquire_many_owned(bytes);
        let Ok(more) = places else {
            return Err(busy);
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *taken {
            Some(taken) => taken.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bodies, MAX_AGENT_BYTES};

    #[test]
    fn agents_have_a_share_of_their_own_and_give_it_back() {
        let bodies = Bodies::default();
        let (one, other) = (bodies.of_agent(), bodies.of_agent());
        one.take(MAX_AGENT_BYTES - 10).unwrap();
        other.take(10).unwrap();
        assert!(one.take(1).is_err());
        bodies.of_operator().take(MAX_AGENT_BYTES).unwrap();
        let copy = one.clone();
        drop(one);
        assert!(other.take(1).is_err());
        drop(copy);
        other.take(MAX_AGENT_BYTES - 10).unwrap();
    }
}

//! Connections to an origin whose upstream may have only so many.

use std::{sync::Arc, time::Duration};

use tokio::{sync::MutexGuard, time::Instant};

use super::{
    connection::{Place, Shared},
    lane::Lane,
    seat::Seat,
};
use crate::{
    connect::{Origin, SendError},
    guard::gate::{self, Gate, Waiter},
};

/// What it is a request's turn to do.
enum Turn<'l> {
    /// To be sent on a connection that there is.
    Take(Place),
    /// To open one.
    Open(Opening<'l>),
}

/// The right to open a connection. Given up before the place is: who is told of that must find it.
struct Opening<'l> {
    only: MutexGuard<'l, ()>,
    place: gate::Place,
}

impl Lane {
    /// A place on a connection that takes streams. Where there may not be another, the request waits.
    ///
    /// # Errors
    /// Too many wait already, or it took too long; or a connection cannot be opened.
    pub(super) async fn limited(
        self: &Arc<Self>,
        gate: &Gate,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Place, SendError> {
        let deadline = Instant::now() + patience;
        let turn = match self.turn(gate, origin) {
            Some(turn) => turn,
            None => {
                let waiter = Waiter {
                    address: origin.address,
                    lane: self.number(),
                };
                let turn = gate.wait(waiter, patience, || self.turn(gate, origin));
                turn.await?.ok_or_else(|| self.late(patience))?
            }
        };
        let opening = match turn {
            Turn::Take(place) => return Ok(place),
            Turn::Open(opening) => opening,
        };
        let opened = Shared::open(origin, deadline, patience, Arc::downgrade(self)).await;
        let Opening { only, place: seat } = opening;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                drop(only);
                drop(seat);
                return self.room(1).ok_or(error);
            }
        };
        opened.sit(Seat::new(seat, self.number()));
        let place = opened.place(false);
        self.all().push(opened.clone());
        drop(only);
        opened.ask();
        Ok(place)
    }

    /// What can be done at once.
    fn turn(&self, gate: &Gate, origin: &Origin) -> Option<Turn<'_>> {
        if let Some(place) = self.room(origin.link.connections) {
            return Some(Turn::Take(place));
        }
        let roomy = self.all().iter().any(Shared::has_room);
        let opening = self.opening.try_lock().ok().and_then(|only| {
            // For another one beside those that have room, nobody gives up a connection.
            let place = match roomy {
                true => gate.free_place(origin.address),
                false => gate.try_place(origin.address),
            };
            place.map(|place| Turn::Open(Opening { only, place }))
        });
        opening.or_else(|| self.room(1).map(Turn::Take))
    }

    /// Who has waited for a connection that somebody opens has waited for the target.
    fn late(&self, patience: Duration) -> SendError {
        match self.opening.try_lock() {
            Ok(_) => SendError::Overloaded,
            Err(_) => SendError::ConnectTimeout(patience),
        }
    }

    /// Closes a connection without streams. Whether there was one.
    pub(super) fn evict(&self) -> bool {
        let mut all = self.all();
        let Some(idle) = all.iter().position(|connection| connection.streams() == 0) else {
            return false;
        };
        let idle = all.swap_remove(idle);
        drop(all);
        idle.stand();
        true
    }

    /// What tells it from others, and from 0.
    fn number(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

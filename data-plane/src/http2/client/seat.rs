//! The place of a connection among those that an upstream may have.

use std::sync::{Mutex, PoisonError};

use crate::guard::gate::{Gate, Place};

/// A place, and who is told when the connection has room.
#[derive(Debug)]
pub(super) struct Seat {
    gate: Gate,
    address: std::net::SocketAddr,
    /// Who shares the connection.
    lane: usize,
    place: Mutex<Option<Place>>,
}

impl Seat {
    pub(super) fn new(place: Place, lane: usize) -> Self {
        Self {
            gate: place.gate.clone(),
            address: place.address,
            lane,
            place: Mutex::new(Some(place)),
        }
    }

    /// The connection is over, or will be at once.
    pub(super) fn release(&self) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        drop(place.take());
    }

    /// How many streams the target takes is known: who waits for that may come.
    pub(super) fn settled(&self) {
        self.gate.shared_by_all(self.lane);
    }

    /// A stream has ended, maybe the last: the next one is for who waits for this connection, or if nobody does, its place is
    /// for who waits for another.
    pub(super) fn left(&self, was_last: bool) {
        if !self.gate.shared(self.lane) && was_last {
            self.gate.freed(self.address);
        }
    }
}

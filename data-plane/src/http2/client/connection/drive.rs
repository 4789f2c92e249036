//! The task of a connection, which looks after it.

use std::{
    pin::pin,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use h2::{Ping, PingPong};
use tokio::{
    select,
    time::{sleep, timeout},
};

use super::{
    super::{super::patient::Patient, lane::Lane},
    State,
};
use crate::connect::Io;

/// How often a connection is looked after.
const ROUND: Duration = Duration::from_secs(15);
/// Rounds without a request after which a connection is closed: 90 seconds.
const MAX_IDLE_ROUNDS: u32 = 6;
/// Rounds of silence on open streams after which the target is asked whether it lives. More often than
/// every five minutes, servers take it for an attack (gRPC's `too_many_pings`).
const SILENT_ROUNDS: u32 = 21;
/// Time for the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a connection, until it ends or nobody needs it any more.
pub(super) async fn drive(
    mut frames: h2::client::Connection<Patient<Io>, Bytes>,
    state: Arc<State>,
    lane: Weak<Lane>,
) {
    let pings = frames.ping_pong();
    let mut frames = pin!(frames);
    let watched = async {
        match pings {
            Some(pings) => state.watch(pings).await,
            None => std::future::pending().await,
        }
    };
    let over = select! {
        ended = &mut frames => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to a target ended");
            }
            true
        }
        over = watched => over == Over::Dead,
    };
    state.gone.store(true, Ordering::Release);
    let _ = state.settled.set(());
    if let Some(seat) = state.seat.get() {
        seat.release();
    }
    if let Some(lane) = lane.upgrade() {
        lane.forget_gone();
    }
    if !over {
        // With nobody left to use it, the connection tells the target and ends.
        let _ = timeout(CLOSE_TIMEOUT, frames).await;
    }
}

/// Why a connection is given up.
#[derive(PartialEq, Eq)]
enum Over {
    Idle,
    Dead,
}

impl State {
    /// Looks after a connection. Returns when it is to be closed.
    async fn watch(&self, mut pings: PingPong) -> Over {
        let (mut begun, mut heard) = (0, 0);
        let (mut idle, mut silent) = (0, 0);
        loop {
            let asked = select! {
                () = self.asked.notified() => true,
                () = sleep(ROUND) => false,
            };
            if !asked {
                let now = (
                    self.begun.load(Ordering::Relaxed),
                    self.heard.load(Ordering::Relaxed),
                );
                let in_use = self.streams.load(Ordering::Relaxed) > 0;
                idle = if in_use || now.0 != begun {
                    0
                } else {
                    idle + 1
                };
                silent = if in_use && now == (begun, heard) {
                    silent + 1
                } else {
                    0
                };
                (begun, heard) = now;
                if idle >= MAX_IDLE_ROUNDS {
                    return Over::Idle;
                }
            }
            if asked || (silent > 0 && silent % SILENT_ROUNDS == 0) {
                match timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await {
                    Ok(Ok(_)) => {
                        let _ = self.settled.set(());
                        if let Some(seat) = self.seat.get() {
                            seat.settled();
                        }
                    }
                    Ok(Err(_)) | Err(_) => return Over::Dead,
                }
            }
        }
    }
}
